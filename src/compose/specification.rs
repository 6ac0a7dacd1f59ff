//! The compose specification: every key, what it may have, and the order in which docker compose prints it. Facts from the
//! specification's JSON schema (compose-spec) and from the output of docker compose 2.40.

use super::shape::{Become, Element, Named, Object, Shape, Short, Types, in_json, kept, key, unprinted, untagged};

const T: Types = Types::TEXT;

static ANY: Shape = Shape::Any;
static TEXT: Shape = Shape::Scalar(T, Become::Text);
static TEXT_OR_NULL: Shape = Shape::Scalar(T.or(Types::NULL), Become::Text);
static TEXT_OR_NUMBER: Shape = Shape::Scalar(T.or(Types::NUMBER), Become::Text);
static INT: Shape = Shape::Scalar(T.or(Types::INT), Become::Int);
static STRICT_INT: Shape = Shape::Scalar(Types::INT, Become::Int);
static NUMBER_INT: Shape = Shape::Scalar(T.or(Types::NUMBER), Become::Int);
static ONLY_NUMBER: Shape = Shape::Scalar(Types::NUMBER, Become::Int);
static FLOAT: Shape = Shape::Scalar(T.or(Types::NUMBER), Become::Float);
static BOOL: Shape = Shape::Scalar(T.or(Types::BOOL), Become::Bool);
static STRICT_BOOL: Shape = Shape::Scalar(Types::BOOL, Become::Bool);
static TEXT_OR_BOOL: Shape = Shape::Scalar(T.or(Types::BOOL), Become::Text);
static BYTES: Shape = Shape::Scalar(T.or(Types::NUMBER), Become::Bytes);
static INT_BYTES: Shape = Shape::Scalar(T.or(Types::INT), Become::Bytes);
static TEXT_BYTES: Shape = Shape::Scalar(T, Become::Bytes);
static DURATION: Shape = Shape::Scalar(T, Become::Duration);
static MODE: Shape = Shape::Scalar(T.or(Types::NUMBER), Become::Mode);
static COUNT: Shape = Shape::Scalar(T.or(Types::INT), Become::Count);
static OPTION: Shape = Shape::Scalar(T.or(Types::NUMBER).or(Types::NULL), Become::Option);
static PAIR: Shape = Shape::Scalar(T.or(Types::NUMBER).or(Types::BOOL).or(Types::NULL), Become::Text);
static PROVIDER_SCALAR: Shape = Shape::Scalar(T.or(Types::NUMBER).or(Types::BOOL), Become::Text);

static TEXTS: Shape = Shape::List(&TEXT);
static UNIQUE_TEXTS: Shape = Shape::Set(&TEXT);
static UNIQUE_NUMBERS: Shape = Shape::Set(&TEXT_OR_NUMBER);
static TEXT_OR_LIST: Shape = Shape::Or(Short::One, &UNIQUE_TEXTS);
static PLAIN_TEXT_OR_LIST: Shape = Shape::Or(Short::One, &TEXTS);
static PAIR_MAP: Shape = Shape::Map(&PAIR);
static PAIRS: Shape = Shape::Or(Short::Pairs, &PAIR_MAP);
static LABELS: Shape = Shape::Or(Short::Labels, &PAIR_MAP);
static DRIVER_OPTIONS: Shape = Shape::Map(&TEXT_OR_NUMBER);
static TEXT_MAP: Shape = Shape::Map(&TEXT);
static HOSTS: Shape = Shape::Or(Short::Hosts, &UNIQUE_TEXTS);
static COMMAND: Shape = Shape::Optional(&COMMAND_LINE);
static COMMAND_LINE: Shape = Shape::Or(Short::Words, &TEXTS);
static TEST: Shape = Shape::Or(Short::Test, &TEXTS);

const fn object(fields: &'static [super::shape::Field]) -> Object {
    Object { fields, required: &[], is_open: true }
}

const fn closed(fields: &'static [super::shape::Field], required: &'static [&'static str]) -> Object {
    Object { fields, required, is_open: false }
}

const fn requiring(fields: &'static [super::shape::Field], required: &'static [&'static str]) -> Object {
    Object { fields, required, is_open: true }
}

/// The whole file.
pub static FILE: Object = object(&[
    key("version", &TEXT),
    key("name", &TEXT),
    key("include", &INCLUDES),
    kept("services", &SERVICES),
    key("networks", &NETWORKS),
    key("volumes", &VOLUMES),
    key("secrets", &SECRETS),
    key("configs", &CONFIGS),
    key("models", &MODELS),
]);

/// [`FILE`] as a shape.
pub static ROOT: Shape = Shape::Object(&FILE);

/// A service as a shape.
pub static SERVICE: Shape = Shape::Object(&SERVICE_OBJECT);

static INCLUDES: Shape = Shape::List(&INCLUDE);
static INCLUDE: Shape = Shape::Or(Short::Key("path"), &INCLUDE_LONG);
static INCLUDE_LONG: Shape = Shape::Object(&INCLUDE_OBJECT);
static INCLUDE_OBJECT: Object = closed(
    &[key("path", &PLAIN_TEXT_OR_LIST), key("project_directory", &TEXT), key("env_file", &PLAIN_TEXT_OR_LIST)],
    &[],
);
static SERVICES: Shape = Shape::Names(&SERVICE);

static NETWORKS: Shape = Shape::Names(&NETWORK);
static NETWORK: Shape = Shape::Optional(&NETWORK_LONG);
static NETWORK_LONG: Shape = Shape::Object(&NETWORK_OBJECT);
static EXTERNAL: Shape = Shape::Or(Short::External, &EXTERNAL_LONG);
static EXTERNAL_LONG: Shape = Shape::Object(&EXTERNAL_OBJECT);
static EXTERNAL_OBJECT: Object = object(&[key("name", &TEXT)]);
static NETWORK_OBJECT: Object = object(&[
    key("name", &TEXT),
    key("driver", &TEXT),
    key("driver_opts", &DRIVER_OPTIONS),
    in_json("ipam", &IPAM),
    key("external", &EXTERNAL),
    key("internal", &BOOL),
    key("attachable", &BOOL),
    key("labels", &LABELS),
    kept("enable_ipv4", &BOOL),
    kept("enable_ipv6", &BOOL),
]);
static IPAM: Shape = Shape::Object(&IPAM_OBJECT);
static IPAM_OBJECT: Object =
    object(&[key("driver", &TEXT), key("config", &IPAM_POOLS), unprinted("options", &TEXT_MAP)]);
static IPAM_POOLS: Shape = Shape::List(&IPAM_POOL);
static IPAM_POOL: Shape = Shape::Object(&IPAM_POOL_OBJECT);
static IPAM_POOL_OBJECT: Object =
    object(&[key("subnet", &TEXT), key("gateway", &TEXT), key("ip_range", &TEXT), key("aux_addresses", &TEXT_MAP)]);

static VOLUMES: Shape = Shape::Names(&VOLUME);
static VOLUME: Shape = Shape::Optional(&VOLUME_LONG);
static VOLUME_LONG: Shape = Shape::Object(&VOLUME_OBJECT);
static VOLUME_OBJECT: Object = object(&[
    key("name", &TEXT),
    key("driver", &TEXT),
    key("driver_opts", &DRIVER_OPTIONS),
    key("external", &EXTERNAL),
    key("labels", &LABELS),
]);

static SECRETS: Shape = Shape::Names(&SECRET);
static SECRET: Shape = Shape::Object(&SECRET_OBJECT);
static SECRET_OBJECT: Object = object(&[
    key("name", &TEXT),
    key("file", &TEXT),
    key("environment", &TEXT),
    key("external", &EXTERNAL),
    key("labels", &LABELS),
    key("driver", &TEXT),
    key("driver_opts", &DRIVER_OPTIONS),
    key("template_driver", &TEXT),
]);

static CONFIGS: Shape = Shape::Names(&CONFIG);
static CONFIG: Shape = Shape::Object(&CONFIG_OBJECT);
static CONFIG_OBJECT: Object = object(&[
    key("name", &TEXT),
    key("file", &TEXT),
    key("environment", &TEXT),
    key("content", &TEXT),
    key("external", &EXTERNAL),
    key("labels", &LABELS),
    key("template_driver", &TEXT),
]);

static MODELS: Shape = Shape::Names(&MODEL);
static MODEL: Shape = Shape::Object(&MODEL_OBJECT);
static MODEL_OBJECT: Object = requiring(
    &[key("name", &TEXT), key("model", &TEXT), key("context_size", &STRICT_INT), key("runtime_flags", &TEXTS)],
    &["model"],
);

static SERVICE_OBJECT: Object = object(&[
    key("profiles", &UNIQUE_TEXTS),
    key("annotations", &LABELS),
    kept("attach", &BOOL),
    kept("build", &BUILD),
    kept("develop", &DEVELOP),
    kept("blkio_config", &BLKIO),
    key("cap_add", &UNIQUE_TEXTS),
    key("cap_drop", &UNIQUE_TEXTS),
    key("cgroup_parent", &TEXT),
    key("cgroup", &CGROUP),
    key("cpu_count", &INT),
    key("cpu_percent", &FLOAT),
    key("cpu_period", &NUMBER_INT),
    key("cpu_quota", &NUMBER_INT),
    key("cpu_rt_period", &NUMBER_INT),
    key("cpu_rt_runtime", &NUMBER_INT),
    key("cpus", &FLOAT),
    key("cpuset", &TEXT),
    key("cpu_shares", &NUMBER_INT),
    kept("command", &COMMAND),
    key("configs", &CONFIG_MOUNTS),
    key("container_name", &CONTAINER_NAME),
    kept("credential_spec", &CREDENTIALS),
    key("depends_on", &DEPENDS_ON),
    kept("deploy", &DEPLOY),
    key("device_cgroup_rules", &UNIQUE_TEXTS),
    key("devices", &DEVICES),
    key("dns", &TEXT_OR_LIST),
    key("dns_opt", &UNIQUE_TEXTS),
    key("dns_search", &TEXT_OR_LIST),
    key("domainname", &TEXT),
    kept("entrypoint", &COMMAND),
    kept("provider", &PROVIDER),
    key("environment", &PAIRS),
    key("env_file", &ENV_FILES),
    key("expose", &UNIQUE_NUMBERS),
    kept("extends", &EXTENDS),
    key("external_links", &UNIQUE_TEXTS),
    key("extra_hosts", &HOSTS),
    key("group_add", &UNIQUE_NUMBERS),
    key("gpus", &GPUS),
    key("hostname", &TEXT),
    kept("healthcheck", &HEALTHCHECK),
    key("image", &TEXT),
    kept("init", &BOOL),
    key("ipc", &TEXT),
    key("isolation", &TEXT),
    key("labels", &LABELS),
    key("label_file", &PLAIN_TEXT_OR_LIST),
    key("links", &UNIQUE_TEXTS),
    kept("logging", &LOGGING),
    key("mem_limit", &BYTES),
    key("mem_reservation", &INT_BYTES),
    key("memswap_limit", &BYTES),
    key("mem_swappiness", &INT_BYTES),
    key("mac_address", &TEXT),
    key("models", &SERVICE_MODELS),
    key("network_mode", &TEXT),
    key("networks", &SERVICE_NETWORKS),
    key("oom_kill_disable", &BOOL),
    key("oom_score_adj", &INT),
    key("pid", &TEXT_OR_NULL),
    key("pids_limit", &NUMBER_INT),
    key("platform", &TEXT),
    key("ports", &PORTS),
    key("privileged", &BOOL),
    key("pull_policy", &PULL_POLICY),
    unprinted("pull_refresh_after", &TEXT),
    key("read_only", &BOOL),
    key("restart", &TEXT),
    key("runtime", &TEXT),
    kept("scale", &INT),
    key("secrets", &SECRET_MOUNTS),
    key("security_opt", &UNIQUE_TEXTS),
    key("shm_size", &BYTES),
    key("stdin_open", &BOOL),
    kept("stop_grace_period", &DURATION),
    key("stop_signal", &TEXT),
    key("storage_opt", &STORAGE_OPTIONS),
    key("sysctls", &LABELS),
    key("tmpfs", &TEXT_OR_LIST),
    key("tty", &BOOL),
    key("ulimits", &ULIMITS),
    key("use_api_socket", &STRICT_BOOL),
    key("user", &TEXT),
    key("userns_mode", &TEXT),
    key("uts", &TEXT),
    key("volumes", &MOUNTS),
    key("volumes_from", &UNIQUE_TEXTS),
    key("working_dir", &TEXT),
    key("post_start", &HOOKS),
    key("pre_stop", &HOOKS),
]);

static CGROUP: Shape = Shape::Word(&["host", "private"]);
static PULL_POLICY: Shape = Shape::PullPolicy;
static CONTAINER_NAME: Shape = Shape::ContainerName;
static STORAGE_OPTIONS: Shape = Shape::Map(&PROVIDER_SCALAR);

static BUILD: Shape = Shape::Or(Short::Key("context"), &BUILD_LONG);
static BUILD_LONG: Shape = Shape::Object(&BUILD_OBJECT);
static BUILD_OBJECT: Object = object(&[
    key("context", &TEXT),
    key("dockerfile", &TEXT),
    key("dockerfile_inline", &TEXT),
    key("entitlements", &TEXTS),
    key("args", &PAIRS),
    key("provenance", &TEXT_OR_BOOL),
    key("sbom", &TEXT_OR_BOOL),
    key("ssh", &SSH),
    key("labels", &LABELS),
    key("cache_from", &TEXTS),
    key("cache_to", &TEXTS),
    key("no_cache", &BOOL),
    key("additional_contexts", &PAIRS),
    key("pull", &BOOL),
    key("extra_hosts", &HOSTS),
    key("isolation", &TEXT),
    key("network", &TEXT),
    key("target", &TEXT),
    key("secrets", &CONFIG_MOUNTS),
    key("shm_size", &INT_BYTES),
    key("tags", &UNIQUE_TEXTS),
    key("ulimits", &ULIMITS),
    key("platforms", &TEXTS),
    key("privileged", &BOOL),
]);
static SSH: Shape = Shape::Or(Short::Ssh, &TEXTS);

static ULIMITS: Shape = Shape::Map(&ULIMIT);
static ULIMIT: Shape = Shape::Or(Short::Limit, &ULIMIT_LONG);
static ULIMIT_LONG: Shape = Shape::Object(&ULIMIT_OBJECT);
static ULIMIT_OBJECT: Object = requiring(&[key("soft", &INT), key("hard", &INT)], &["soft", "hard"]);

static DEVELOP: Shape = Shape::Optional(&DEVELOP_LONG);
static DEVELOP_LONG: Shape = Shape::Object(&DEVELOP_OBJECT);
static DEVELOP_OBJECT: Object = object(&[key("watch", &WATCHES)]);
static WATCHES: Shape = Shape::List(&WATCH);
static WATCH: Shape = Shape::Object(&WATCH_OBJECT);
static WATCH_OBJECT: Object = requiring(
    &[
        key("path", &TEXT),
        key("action", &WATCH_ACTION),
        key("target", &TEXT),
        in_json("exec", &HOOK),
        key("include", &TEXT_OR_LIST),
        key("ignore", &TEXT_OR_LIST),
        key("initial_sync", &STRICT_BOOL),
    ],
    &["path", "action"],
);
static WATCH_ACTION: Shape = Shape::Word(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"]);

static HOOKS: Shape = Shape::List(&HOOK);
static HOOK: Shape = Shape::Object(&HOOK_OBJECT);
static HOOK_OBJECT: Object = requiring(
    &[
        in_json("command", &COMMAND),
        key("user", &TEXT),
        key("privileged", &BOOL),
        key("working_dir", &TEXT),
        key("environment", &PAIRS),
    ],
    &["command"],
);

static BLKIO: Shape = Shape::Object(&BLKIO_OBJECT);
static BLKIO_OBJECT: Object = closed(
    &[
        key("weight", &INT),
        key("weight_device", &BLKIO_WEIGHTS),
        key("device_read_bps", &BLKIO_RATES),
        key("device_read_iops", &BLKIO_RATES),
        key("device_write_bps", &BLKIO_RATES),
        key("device_write_iops", &BLKIO_RATES),
    ],
    &[],
);
static BLKIO_WEIGHTS: Shape = Shape::List(&BLKIO_WEIGHT);
static BLKIO_WEIGHT: Shape = Shape::Object(&BLKIO_WEIGHT_OBJECT);
static BLKIO_WEIGHT_OBJECT: Object = closed(&[untagged("path", &TEXT), untagged("weight", &INT)], &[]);
static BLKIO_RATES: Shape = Shape::List(&BLKIO_RATE);
static BLKIO_RATE: Shape = Shape::Object(&BLKIO_RATE_OBJECT);
static BLKIO_RATE_OBJECT: Object = closed(&[untagged("path", &TEXT), untagged("rate", &INT_BYTES)], &[]);

static CREDENTIALS: Shape = Shape::Object(&CREDENTIALS_OBJECT);
static CREDENTIALS_OBJECT: Object = object(&[key("config", &TEXT), key("file", &TEXT), key("registry", &TEXT)]);

static CONFIG_MOUNTS: Shape = Shape::Elements(Element::Config, &FILE_MOUNT);
static SECRET_MOUNTS: Shape = Shape::Elements(Element::Secret, &FILE_MOUNT);
static FILE_MOUNT: Shape = Shape::Object(&FILE_MOUNT_OBJECT);
static FILE_MOUNT_OBJECT: Object =
    object(&[key("source", &TEXT), key("target", &TEXT), key("uid", &TEXT), key("gid", &TEXT), kept("mode", &MODE)]);

static DEPENDS_ON: Shape = Shape::Or(Short::Names(Named::Dependency), &DEPENDENCIES);
static DEPENDENCIES: Shape = Shape::Names(&DEPENDENCY);
static DEPENDENCY: Shape = Shape::Object(&DEPENDENCY_OBJECT);
static DEPENDENCY_OBJECT: Object =
    requiring(&[key("condition", &CONDITION), key("restart", &BOOL), kept("required", &STRICT_BOOL)], &["condition"]);
static CONDITION: Shape = Shape::Word(&["service_started", "service_healthy", "service_completed_successfully"]);

static DEPLOY: Shape = Shape::Optional(&DEPLOY_LONG);
static DEPLOY_LONG: Shape = Shape::Object(&DEPLOY_OBJECT);
static DEPLOY_OBJECT: Object = object(&[
    key("mode", &TEXT),
    kept("replicas", &INT),
    key("labels", &LABELS),
    kept("update_config", &UPDATE),
    kept("rollback_config", &UPDATE),
    in_json("resources", &RESOURCES),
    kept("restart_policy", &RESTART_POLICY),
    in_json("placement", &PLACEMENT),
    key("endpoint_mode", &TEXT),
]);
static UPDATE: Shape = Shape::Object(&UPDATE_OBJECT);
static UPDATE_OBJECT: Object = object(&[
    kept("parallelism", &INT),
    key("delay", &DURATION),
    key("failure_action", &TEXT),
    key("monitor", &DURATION),
    key("max_failure_ratio", &FLOAT),
    key("order", &ORDER),
]);
static ORDER: Shape = Shape::Word(&["start-first", "stop-first"]);
static RESOURCES: Shape = Shape::Object(&RESOURCES_OBJECT);
static RESOURCES_OBJECT: Object = object(&[kept("limits", &LIMITS), kept("reservations", &RESERVATIONS)]);
static LIMITS: Shape = Shape::Object(&LIMITS_OBJECT);
static LIMITS_OBJECT: Object = object(&[key("cpus", &FLOAT), key("memory", &TEXT_BYTES), key("pids", &INT)]);
static RESERVATIONS: Shape = Shape::Object(&RESERVATIONS_OBJECT);
static RESERVATIONS_OBJECT: Object = object(&[
    key("cpus", &FLOAT),
    key("memory", &TEXT_BYTES),
    key("devices", &DEVICE_REQUESTS),
    key("generic_resources", &GENERIC_RESOURCES),
]);
static GENERIC_RESOURCES: Shape = Shape::List(&GENERIC_RESOURCE);
static GENERIC_RESOURCE: Shape = Shape::Object(&GENERIC_RESOURCE_OBJECT);
static GENERIC_RESOURCE_OBJECT: Object = object(&[kept("discrete_resource_spec", &DISCRETE_RESOURCE)]);
static DISCRETE_RESOURCE: Shape = Shape::Object(&DISCRETE_RESOURCE_OBJECT);
static DISCRETE_RESOURCE_OBJECT: Object = object(&[in_json("kind", &TEXT), in_json("value", &NUMBER_INT)]);
static DEVICE_REQUESTS: Shape = Shape::List(&DEVICE_REQUEST);
static DEVICE_REQUEST: Shape = Shape::Object(&DEVICE_REQUEST_OBJECT);
static DEVICE_REQUEST_OBJECT: Object = requiring(DEVICE_REQUEST_FIELDS, &["capabilities"]);
const DEVICE_REQUEST_FIELDS: &[super::shape::Field] = &[
    key("capabilities", &UNIQUE_TEXTS),
    key("driver", &TEXT),
    key("count", &COUNT),
    key("device_ids", &UNIQUE_TEXTS),
    key("options", &LABELS),
];
static GPUS: Shape = Shape::Or(Short::Gpus, &GPU_REQUESTS);
static GPU_REQUESTS: Shape = Shape::List(&GPU_REQUEST);
static GPU_REQUEST: Shape = Shape::Object(&GPU_REQUEST_OBJECT);
static GPU_REQUEST_OBJECT: Object = object(DEVICE_REQUEST_FIELDS);
static RESTART_POLICY: Shape = Shape::Object(&RESTART_POLICY_OBJECT);
static RESTART_POLICY_OBJECT: Object =
    object(&[key("condition", &TEXT), kept("delay", &DURATION), kept("max_attempts", &INT), kept("window", &DURATION)]);
static PLACEMENT: Shape = Shape::Object(&PLACEMENT_OBJECT);
static PLACEMENT_OBJECT: Object =
    object(&[key("constraints", &TEXTS), key("preferences", &PREFERENCES), key("max_replicas_per_node", &INT)]);
static PREFERENCES: Shape = Shape::List(&PREFERENCE);
static PREFERENCE: Shape = Shape::Object(&PREFERENCE_OBJECT);
static PREFERENCE_OBJECT: Object = object(&[key("spread", &TEXT)]);

static DEVICES: Shape = Shape::Elements(Element::Device, &DEVICE);
static DEVICE: Shape = Shape::Object(&DEVICE_OBJECT);
static DEVICE_OBJECT: Object =
    requiring(&[key("source", &TEXT), key("target", &TEXT), key("permissions", &TEXT)], &["source"]);

static PROVIDER: Shape = Shape::Object(&PROVIDER_OBJECT);
static PROVIDER_OBJECT: Object = requiring(&[key("type", &TEXT), key("options", &PROVIDER_OPTIONS)], &["type"]);
static PROVIDER_OPTIONS: Shape = Shape::Map(&PROVIDER_OPTION);
static PROVIDER_OPTION: Shape = Shape::Or(Short::Scalars, &PROVIDER_SCALARS);
static PROVIDER_SCALARS: Shape = Shape::List(&PROVIDER_SCALAR);

static ENV_FILES: Shape = Shape::Or(Short::EnvFiles, &ENV_FILE_LIST);
static ENV_FILE_LIST: Shape = Shape::List(&ENV_FILE);
/// A file of variables.
pub static ENV_FILE: Shape = Shape::Object(&ENV_FILE_OBJECT);
static ENV_FILE_OBJECT: Object =
    closed(&[key("path", &TEXT), kept("required", &BOOL), key("format", &TEXT)], &["path"]);

static EXTENDS: Shape = Shape::Or(Short::Key("service"), &EXTENDS_LONG);
static EXTENDS_LONG: Shape = Shape::Object(&EXTENDS_OBJECT);
static EXTENDS_OBJECT: Object = closed(&[key("file", &TEXT), key("service", &TEXT)], &["service"]);

static HEALTHCHECK: Shape = Shape::Object(&HEALTHCHECK_OBJECT);
static HEALTHCHECK_OBJECT: Object = object(&[
    key("test", &TEST),
    kept("timeout", &DURATION),
    kept("interval", &DURATION),
    kept("retries", &NUMBER_INT),
    kept("start_period", &DURATION),
    kept("start_interval", &DURATION),
    key("disable", &BOOL),
]);

static LOGGING: Shape = Shape::Object(&LOGGING_OBJECT);
static LOGGING_OBJECT: Object = object(&[key("driver", &TEXT), key("options", &LOGGING_OPTIONS)]);
static LOGGING_OPTIONS: Shape = Shape::Map(&OPTION);

static SERVICE_MODELS: Shape = Shape::Or(Short::Names(Named::Null), &SERVICE_MODEL_MAP);
static SERVICE_MODEL_MAP: Shape = Shape::Names(&SERVICE_MODEL);
static SERVICE_MODEL: Shape = Shape::Optional(&SERVICE_MODEL_LONG);
static SERVICE_MODEL_LONG: Shape = Shape::Object(&SERVICE_MODEL_OBJECT);
static SERVICE_MODEL_OBJECT: Object = object(&[key("endpoint_var", &TEXT), key("model_var", &TEXT)]);

static SERVICE_NETWORKS: Shape = Shape::Or(Short::Names(Named::Null), &SERVICE_NETWORK_MAP);
static SERVICE_NETWORK_MAP: Shape = Shape::Names(&SERVICE_NETWORK);
static SERVICE_NETWORK: Shape = Shape::Optional(&SERVICE_NETWORK_LONG);
static SERVICE_NETWORK_LONG: Shape = Shape::Object(&SERVICE_NETWORK_OBJECT);
static SERVICE_NETWORK_OBJECT: Object = object(&[
    key("aliases", &UNIQUE_TEXTS),
    key("driver_opts", &DRIVER_OPTIONS),
    key("gw_priority", &ONLY_NUMBER),
    key("interface_name", &TEXT),
    key("ipv4_address", &TEXT),
    key("ipv6_address", &TEXT),
    key("link_local_ips", &UNIQUE_TEXTS),
    key("mac_address", &TEXT),
    key("priority", &ONLY_NUMBER),
]);

static PORTS: Shape = Shape::Elements(Element::Port, &PORT);
static PUBLISHED: Shape = Shape::Scalar(T.or(Types::INT), Become::Text);
static PORT: Shape = Shape::Object(&PORT_OBJECT);
static PORT_OBJECT: Object = object(&[
    key("name", &TEXT),
    key("mode", &TEXT),
    key("host_ip", &TEXT),
    key("target", &INT),
    key("published", &PUBLISHED),
    key("protocol", &TEXT),
    key("app_protocol", &TEXT),
]);

static MOUNTS: Shape = Shape::Elements(Element::Volume, &MOUNT);
static MOUNT: Shape = Shape::Object(&MOUNT_OBJECT);
static MOUNT_OBJECT: Object = requiring(
    &[
        key("type", &MOUNT_TYPE),
        key("source", &TEXT),
        key("target", &TEXT),
        key("read_only", &BOOL),
        key("consistency", &TEXT),
        kept("bind", &MOUNT_BIND),
        kept("volume", &MOUNT_VOLUME),
        kept("tmpfs", &MOUNT_TMPFS),
        kept("image", &MOUNT_IMAGE),
    ],
    &["type"],
);
static MOUNT_TYPE: Shape = Shape::Word(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"]);
static MOUNT_BIND: Shape = Shape::Object(&MOUNT_BIND_OBJECT);
static MOUNT_BIND_OBJECT: Object = object(&[
    key("selinux", &SELINUX),
    key("propagation", &TEXT),
    key("create_host_path", &BOOL),
    key("recursive", &RECURSIVE),
]);
static SELINUX: Shape = Shape::Word(&["z", "Z"]);
static RECURSIVE: Shape = Shape::Word(&["enabled", "disabled", "writable", "readonly"]);
static MOUNT_VOLUME: Shape = Shape::Object(&MOUNT_VOLUME_OBJECT);
static MOUNT_VOLUME_OBJECT: Object = object(&[key("labels", &LABELS), key("nocopy", &BOOL), key("subpath", &TEXT)]);
static MOUNT_TMPFS: Shape = Shape::Object(&MOUNT_TMPFS_OBJECT);
static MOUNT_TMPFS_OBJECT: Object = object(&[key("size", &INT_BYTES), key("mode", &NUMBER_INT)]);
static MOUNT_IMAGE: Shape = Shape::Object(&MOUNT_IMAGE_OBJECT);
static MOUNT_IMAGE_OBJECT: Object = object(&[key("subpath", &TEXT)]);

/// Anything, for keys that begin with `x-`.
pub static EXTENSION: &Shape = &ANY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_specification_is_here() {
        let has = |object: &Object, keys: usize| assert_eq!(object.fields.len(), keys, "{object:?}");
        has(&FILE, 9);
        has(&SERVICE_OBJECT, 92);
        has(&BUILD_OBJECT, 24);
        has(&DEPLOY_OBJECT, 9);
        has(&NETWORK_OBJECT, 10);
        has(&VOLUME_OBJECT, 5);
        has(&HEALTHCHECK_OBJECT, 7);
    }
}
