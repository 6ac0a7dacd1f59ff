# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_coracle_global_optspecs
    string join \n cgroup-manager= config= D/debug H/host= c/context= url= l/log-level= root= runroot= storage-driver= v/version help
end

function __fish_coracle_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_coracle_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_coracle_using_subcommand
    set -l cmd (__fish_coracle_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c coracle -n "__fish_coracle_needs_command" -l cgroup-manager -d 'How new containers get control groups: systemd (the user\'s manager), cgroupfs (coracle itself) or disabled' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_needs_command" -l config -d 'Directory of docker\'s client configuration, for the credentials in its config.json' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_needs_command" -s H -l host -d 'Refused: coracle has no daemon to connect to' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_needs_command" -s c -l context -d 'Refused: coracle has no daemon to connect to' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_needs_command" -l url -d 'Refused: coracle has no daemon to connect to' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_needs_command" -s l -l log-level -d 'Which messages to print: debug, info, warn, error or fatal' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_needs_command" -l root -d 'Keep images and containers in this directory' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_needs_command" -l runroot -d 'Keep sockets and other short-lived files in this directory' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_needs_command" -l storage-driver -d 'The storage driver of new containers, which unites their layers: overlay (the kernel) or fuse (coracle itself)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_needs_command" -s D -l debug -d 'Say what is decided: the same as --log-level debug'
complete -c coracle -n "__fish_coracle_needs_command" -s v -l version -d 'Print version information and quit'
complete -c coracle -n "__fish_coracle_needs_command" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "run" -d 'Create and run a new container from an image'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "exec" -d 'Execute a command in a running container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "port" -d 'List port mappings, or one of them, of a container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "ps" -d 'List containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "pull" -d 'Download an image from a registry'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "push" -d 'Upload an image to a registry'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "images" -d 'List images'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "history" -d 'Show the history of an image'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "import" -d 'Make an image of an archive of files'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "load" -d 'Load images from an archive that `save` wrote'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "save" -d 'Save one or more images to an archive, for `load`'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "attach" -d 'Attach standard input, output and error streams to a running container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "commit" -d 'Make an image of a container\'s changes'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "cp" -d 'Copy files between a container and the host, or another container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "create" -d 'Create a new container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "diff" -d 'Show what a container has changed in its files'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "export" -d 'Export a container\'s files as a tar archive, without what is mounted in it'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "inspect" -d 'Return low-level information on containers, images, networks and volumes'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "kill" -d 'Kill one or more running containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "login" -d 'Log in to a registry'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "logout" -d 'Log out from a registry'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "logs" -d 'Fetch the logs of one or more containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "mount" -d 'Mount the files of containers, or list those that are mounted (below `unshare`, or as root)'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "pause" -d 'Pause all processes within one or more containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "rename" -d 'Rename a container, running or not'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "restart" -d 'Restart one or more containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "rm" -d 'Remove one or more containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "rmi" -d 'Remove one or more images'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "search" -d 'Search a registry for repositories'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "start" -d 'Start one or more stopped containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "stats" -d 'Display what containers use of the machine'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "stop" -d 'Stop one or more running containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "tag" -d 'Give an image further names'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "top" -d 'Display the running processes of a container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "umount" -d 'Unmount files of containers that `mount` has mounted'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "unmount" -d 'Unmount files of containers that `mount` has mounted'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "unpause" -d 'Unpause all processes within one or more containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "unshare" -d 'Run a program of this machine in the user namespace of your containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "untag" -d 'Take names away from an image, all if none is given'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "update" -d 'Change settings of one or more containers, running or not'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "wait" -d 'Block until one or more containers stop, then print their exit codes'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "auto-update" -d 'Start services of containers again that have a newer image'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "doctor" -d 'Check this machine, and say how to repair what is missing'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "events" -d 'Show what happens to containers, images, volumes and networks'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "info" -d 'Display information about this installation'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "version" -d 'Show the version information'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "completion" -d 'Print the completion script of a shell'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "container" -d 'Manage containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "image" -d 'Manage images'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "manifest" -d 'Manage lists of images for several platforms'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "registry" -d 'Serve images to others'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "network" -d 'Manage networks'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "volume" -d 'Manage volumes'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "secret" -d 'Manage secrets'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "compose" -d 'Run projects of several containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "pod" -d 'Manage pods: containers that share a network and more'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "quadlet" -d 'Run containers as services of systemd'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "config" -d 'Show and change the configuration of coracle'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "generate" -d 'Make files of containers that are there'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "healthcheck" -d 'Manage health checks of containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "builder" -d 'Manage the build cache'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "buildx" -d 'Build images, and manage the build cache'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "runtime" -d 'Run containers of OCI bundles, for other tools'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "system" -d 'Manage this installation'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s a -l attach -d 'Attach to STDIN, STDOUT or STDERR only' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l detach-keys -d 'Keys that detach from the container: characters and ctrl-<letter>, separated by commas' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l preserve-fd -d 'Hand these open descriptors over to the process, under their numbers' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l preserve-fds -d 'Hand this number of open descriptors over to the process: 3 and those that follow' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l sig-proxy -d 'Pass signals on to the process' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cidfile -d 'Write the container\'s ID to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -s l -l label -d 'Set a label on the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l label-file -d 'Read labels from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l name -d 'Give the container a name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l disable-content-trust -d 'Pull the image also if the policy demands no signature of it; that is so unless DOCKER_CONTENT_TRUST is 1' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l platform -d 'The platform of the image, if it has several: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pull -d 'Pull the image before creating the container: always, missing, newer or never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l tls-verify -d 'Require HTTPS and verify certificates when pulling' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l entrypoint -d 'Overwrite the image\'s default entrypoint' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -s e -l env -d 'Set an environment variable; a bare NAME is passed on' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l env-file -d 'Read environment variables from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l http-proxy -d 'Pass the proxy variables of this environment and of docker\'s configuration on' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l personality -d 'The execution domain: LINUX, or LINUX32 for programs that ask for a 32-bit machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l tz -d 'The time zone in the container: a name such as Europe/Paris, or local for this machine\'s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l umask -d 'The mask of the modes of new files, in octal; 0022 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -s w -l workdir -d 'The working directory inside the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l group-add -d 'Add a group to those of the user: a name or ID of the container, or keep-groups for those that you have on this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -s h -l hostname -d 'The container\'s host name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -s u -l user -d 'User name or ID, and optionally group: user[:group]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cgroupns -d 'Whose control groups the container sees: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l gidmap -d 'Map group IDs, as --uidmap does user IDs' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l ipc -d 'With whom the container shares memory (/dev/shm) and queues: private, shareable, none, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l ip -d 'The container\'s IPv4 address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l ip6 -d 'The container\'s IPv6 address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l mac-address -d 'The container\'s hardware address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l network -d 'The network to join: a network, bridge, host, none, container:NAME or ns:PATH; NETWORK:host-loopback lets it reach services that listen on this machine\'s loopback alone, which mostly trust whoever reaches them' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l network-alias -d 'Another name of the container on its network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pid -d 'Which processes the container sees: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l uidmap -d 'Map user IDs: CONTAINER:FROM[:AMOUNT], FROM among the user\'s subordinate IDs, or of the host with @' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l userns -d 'Whose IDs the container has: host, keep-id[:uid=UID,gid=GID], nomap, auto[:size=SIZE], container:NAME, ns:PATH, or auto-own (its user is you where a directory of yours is mounted)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l uts -d 'Whose host name the container has: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l add-host -d 'Add a name to /etc/hosts: NAME[;NAME…]:ADDRESS, or :host-gateway for this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l dns -d 'Ask this DNS server' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l dns-option -d 'Set an option of resolv.conf' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l dns-search -d 'Complete names with this domain; `.` for none' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l expose -d 'Say that a port is listened on, without publishing it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l low-ports -d 'Host ports that need privileges: refuse them, or remap them to the same number + 8000 (default refuse, or as in config.toml)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l net-rate -d 'How fast each interface may send, and receive: bits a second (10mbit, 1gbit) or bytes a second (500k, 2m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -s p -l publish -d 'Publish a port of the container on this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l mount -d 'Attach a file system mount: type=bind|volume|tmpfs|image|glob|ramfs|devpts,source=…,target=…' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l read-only-tmpfs -d 'With --read-only: /run, /tmp and /var/tmp are writable memory (podman\'s default)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l shm-size -d 'The size of /dev/shm' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l storage-opt -d 'Options of the storage driver: size=BYTES limits what the container\'s files may take (fuse)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l tmpfs -d 'Mount a tmpfs directory' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -s v -l volume -d 'Bind mount a path of this machine, or mount a volume' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cap-add -d 'Add a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cap-drop -d 'Drop a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l device -d 'Add a device of the host, all in a directory, those that fit a pattern, or one of a vendor (CDI): vendor.com/class=name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l device-cgroup-rule -d 'Allow devices by type and number: \'c 189:* rmw\'; the owner and mode of a device decide here, and no rule forbids any' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l gpus -d 'Add GPUs by what their vendor\'s CDI file says: all, a number, or device=ID' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l security-opt -d 'Security options: no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined, mask=PATH, unmask=PATH|ALL, proc-opts=OPTIONS, label=…, apparmor=unconfined' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l sysctl -d 'Set a setting of the kernel for the container\'s own namespaces' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l conmon-pidfile -d 'Write the number of the container\'s supervisor to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pidfile -d 'Write the number of the container\'s first process to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l init-path -d 'The program of this machine that is the init of --init' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand run" -l restart -d 'What follows when the container ends by itself: no, on-failure[:COUNT], always or unless-stopped' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l sdnotify -d 'The side that tells the service manager (NOTIFY_SOCKET) that the container is ready: container, conmon, healthy or ignore' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l runtime -d 'Refused unless it is coracle: containers run in coracle\'s own runtime' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l stop-signal -d 'The signal that stops the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l stop-timeout -d 'Seconds between that signal and SIGKILL' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l timeout -d 'Seconds after which the container is killed; 0 for never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l systemd -d 'Prepare the container for systemd: true (if its command is systemd or an init), false or always; true is usual, but for docker' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-cmd -d 'Command to run to check health: a line for the shell, or a JSON list of words; none for no check' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-interval -d 'Time between two checks (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-log-destination -d 'Where the results of checks are, besides in inspect: local (nowhere else), a directory, or events_logger' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-max-log-count -d 'How many results are kept (default 5); 0 for 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-max-log-size -d 'Bytes that are kept of what a check prints (default 4096); 0 for 65536' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-on-failure -d 'What happens to an unhealthy container: none, kill, restart or stop' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-retries -d 'Failures in a row that make the container unhealthy (default 3)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-start-interval -d 'Time between two checks in the start period (default 5s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-start-period -d 'Time for the container to start, in which failures do not count (default 0s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-startup-cmd -d 'Command to run to check that the container has started, before the other checks begin' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-startup-interval -d 'Time between two of these checks (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-startup-retries -d 'Failures in a row after which the container is started anew (default 0: never)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-startup-success -d 'Successes in a row after which the other checks begin (default 1)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-startup-timeout -d 'Time that one of these checks may take (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l health-timeout -d 'Time that one check may take (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l blkio-weight -d 'The container\'s weight among others that use the disk, from 10 to 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l blkio-weight-device -d 'The same for one device' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpu-period -d 'The period of --cpu-quota in microseconds; 100000 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpu-quota -d 'Processor time in each period, in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpu-rt-period -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpu-rt-runtime -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -s c -l cpu-shares -d 'The container\'s share of processor time among others that want it; 1024 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpus -d 'How many processors it may use, such as 1.5' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpuset-cpus -d 'The processors it may run on: 0-2,4' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpuset-mems -d 'The memory nodes it may use: 0,1' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l device-read-bps -d 'Bytes that it may read of a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l device-read-iops -d 'Read operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l device-write-bps -d 'Bytes that it may write to a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l device-write-iops -d 'Write operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -s m -l memory -d 'How much memory it may use' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l memory-reservation -d 'Memory that is taken from others first when there is little of it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l memory-swap -d 'Memory and swap together; -1 for no limit of swap; twice --memory is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l memory-swappiness -d 'Refused: cgroup v2 has no swappiness of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pids-limit -d 'How many processes and threads it may have; -1 for no limit' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l limits -d 'What becomes of limits that cannot be set here: strict (an error) or best-effort (what an ordinary user can do instead)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l oom-kill-disable -d 'Refused: cgroup v2 always kills a group that is out of memory' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l oom-score-adj -d 'How likely the kernel is to kill it when memory runs out, from -1000 to 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l ulimit -d 'A resource limit of each of its processes: NAME=SOFT[:HARD]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cgroup-conf -d 'Write a file of the container\'s control group: memory.high=100M' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cgroup-parent -d 'The control group above the container\'s: a slice of systemd, or a path' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cgroups -d 'Whether the container has a control group of its own: enabled, no-conmon, split or disabled' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l log-driver -d 'Where the output is kept: json-file, local, k8s-file, journald, none or passthrough' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l log-opt -d 'Options of the log driver: max-size=SIZE, max-file=NUMBER, path=FILE, tag=TEMPLATE, labels=NAMES, env=NAMES' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l secret -d 'Give the container a secret, as a file in /run/secrets or as a variable: NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l init-ctr -d 'Run to the end before the other containers of the pod: always at its start, or once' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pod -d 'The pod that the container is in; new:NAME makes one that gets its ports and networks' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pod-id-file -d 'Read the pod\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand run" -s d -l detach -d 'Run in the background and print the container\'s ID'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l replace -d 'Remove the container that has the name, if there is one'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s q -l quiet -d 'Suppress the progress of a pull'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s i -l interactive -d 'Keep standard input open even if not attached'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s t -l tty -d 'Allocate a pseudo-terminal'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l no-hosts -d 'Leave /etc/hosts as the image has it'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s P -l publish-all -d 'Publish all exposed ports on free ports of this machine'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l read-only -d 'Mount the container\'s root file system read-only'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l privileged -d 'Take off the limits on what the container may do within its user namespace'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l init -d 'Run an init as pid 1 that forwards signals and reaps processes'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l rm -d 'Remove the container and its anonymous volumes when it exits'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l no-healthcheck -d 'Run the container without the image\'s health check'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l add-host -d 'Add a name to /etc/hosts of the steps: NAME:ADDRESS' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cap-add -d 'Give the steps a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cap-drop -d 'Take a Linux capability from the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cgroup-parent -d 'The control group above those of the steps: a slice of systemd, or a path' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cgroupns -d 'Whose control groups the steps see: private or host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cpu-period -d 'The period of --cpu-quota in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cpu-quota -d 'Processor time of a step in each period, in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -s c -l cpu-shares -d 'A step\'s share of processor time; 1024 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cpuset-cpus -d 'The processors that steps may run on: 0-2,4' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cpuset-mems -d 'The memory nodes that steps may use: 0,1' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l device -d 'Give the steps a device of the host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l dns -d 'A DNS server for the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l dns-option -d 'An option of the steps\' resolv.conf' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l dns-search -d 'Complete names with this domain in the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l http-proxy -d 'Give the steps this machine\'s proxy variables (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l isolation -d 'How steps are confined: default or oci, which is as containers are' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -s m -l memory -d 'How much memory a step may use' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l memory-swap -d 'Memory and swap of a step together; -1 for no limit of swap' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l network -d 'The network of the steps: default, none, host or the name of a network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l security-opt -d 'Security options of the steps: no-new-privileges, seccomp=FILE|unconfined, mask=PATH, unmask=PATH|ALL, label=…, apparmor=unconfined' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l shm-size -d 'Size of /dev/shm of the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l ulimit -d 'A resource limit of each process of the steps: NAME=SOFT[:HARD]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l userns -d 'Whose ids the steps have: host, keep-id, nomap or auto' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -s v -l volume -d 'Mount a directory of this machine in each step: SOURCE:TARGET[:OPTIONS]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l allow -d 'Allow steps more than usual: network.host, for RUN --network=host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l annotation -d 'Add an annotation to the manifest of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l arch -d 'Build for this architecture, on Linux' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l attest -d 'Attestations of the image, which are not made: only type=provenance|sbom,disabled=true' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l build-arg -d 'Set an ARG of the Dockerfile; without a value, from the environment' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l build-arg-file -d 'Read build arguments from a file with a NAME=VALUE on each line' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l build-context -d 'A directory, archive, git repository, image (docker-image://NAME, oci-layout://DIRECTORY) or stage (target:NAME) that FROM and --from know by a name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l builder -d 'The builder: there is one, called default' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cache-from -d 'Take steps from the build cache of an image or a directory: type=registry,ref=NAME, type=local,src=DIRECTORY, or NAME' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cache-to -d 'Keep steps for other machines: type=registry,ref=NAME, type=local,dest=DIRECTORY or type=inline, with mode=max for those of all stages' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l call -d 'Do something else than build: check the Dockerfile, outline what a target takes, or list the targets' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l disable-content-trust -d 'Accepted as docker\'s old flag; signatures are checked as the policy says' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l env -d 'Add a variable to the image; without a value, from the environment' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -s f -l file -d 'The Dockerfile; - for standard input (default Dockerfile in the context)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l force-rm -d 'Containers of steps are always removed, those of failed ones as well' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l format -d 'The format of the image\'s manifest: oci or docker (default oci)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l from -d 'The image of the first FROM, in place of that in the Dockerfile' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l identity-label -d 'No image has a label with the builder\'s version' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l ignorefile -d 'The list of ignored files, in place of .dockerignore' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l iidfile -d 'Write the id of the image to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l inherit-labels -d 'Whether the image has the labels of its base (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l jobs -d 'How many stages are built at the same time (default all that do not wait for each other)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l label -d 'Add a label to the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l layers -d 'Whether each step has a layer and a record in the build cache (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l manifest -d 'Add the image to a list of images for several platforms, which is made when it is missing' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l metadata-file -d 'Write what is known of the image to a file, as JSON' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l no-cache-filter -d 'Do the steps of this stage again' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l os -d 'Build for this operating system: linux' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -s o -l output -d 'Write the result somewhere: type=local|tar|oci|docker|image|registry[,dest=PATH], or a directory, or - for a tar stream on standard output' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l platform -d 'Build for this platform: os/architecture[/variant]; several make an index of images' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l progress -d 'How progress is shown: auto, plain, tty, rawjson or quiet' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l pull -d 'Ask registries for newer images: true, always, newer, missing, false or never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l provenance -d 'A record of how the image was built, which is not made: only false' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l rm -d 'Containers of steps are always removed' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l sbom -d 'A list of what is in the image, which is not made: only false' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l secret -d 'A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=VARIABLE]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l skip-unused-stages -d 'Leave out stages that the target does not need (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l source-date-epoch -d 'No time in the image is later, in seconds since 1970 (default SOURCE_DATE_EPOCH of the environment)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l ssh -d 'The socket of an agent for RUN --mount=type=ssh: default or ID[=SOCKET]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -s t -l tag -d 'A name of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l target -d 'Build this stage of the Dockerfile' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l timestamp -d 'The time of the image and of all files of its new layers, in seconds since 1970' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l unsetenv -d 'Remove a variable from the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l unsetlabel -d 'Remove a label of the base from the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l variant -d 'The variant of --arch' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l no-hosts -d 'Leave /etc/hosts of the steps as the image has it'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l check -d 'Check the Dockerfile instead of building it: the same as --call=check'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l compress -d 'Nothing is sent anywhere, so that nothing is compressed'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l debug-on-error -d 'When a RUN step fails, open a shell in its files as they were before it'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l load -d 'Store the image here, which is always done'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l no-cache -d 'Do every step again, whatever is in the build cache'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l omit-history -d 'Leave out the image\'s history'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l push -d 'Send the image to the registries of its names'
complete -c coracle -n "__fish_coracle_using_subcommand build" -s q -l quiet -d 'Show no progress, print the id of the image only'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l rewrite-timestamp -d 'No file of the image\'s new layers is later than --source-date-epoch, which always holds'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l squash -d 'Make one layer of all new ones'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l squash-all -d 'Make one layer of all, those of the base as well'
complete -c coracle -n "__fish_coracle_using_subcommand build" -s D -l debug -d 'Show checks that failed in full, with the lines of the Dockerfile'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l detach-keys -d 'Keys that detach from the command: characters and ctrl-<letter>, separated by commas' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s e -l env -d 'Set an environment variable; a bare NAME is passed on' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l env-file -d 'Read environment variables from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s u -l user -d 'User name or ID, and optionally group: user[:group]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s w -l workdir -d 'The working directory inside the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l cidfile -d 'Read the container\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s d -l detach -d 'Run the command in the background'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s i -l interactive -d 'Keep standard input open'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l privileged -d 'Take off the limits on what the command may do within the container\'s user namespace'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s t -l tty -d 'Allocate a pseudo-terminal'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand port" -s a -l all -d 'Show those of all running containers, each line with the container\'s ID'
complete -c coracle -n "__fish_coracle_using_subcommand port" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand port" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s f -l filter -d 'Filter by id, name, label, exited, status, ancestor, before, since, volume, network, pod, publish, expose, health, restart-policy or should-start-on-boot' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s n -l last -d 'Show the n last created containers, whatever their state' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l sort -d 'Sort by command, created, id, image, names, runningfor or status' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s w -l watch -d 'Show the list again after this number of seconds, until you end it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s a -l all -d 'Show all containers (default shows just running)'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s l -l latest -d 'Show the latest created container, whatever its state'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l noheading -d 'Leave the header line out'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l ns -d 'Show the numbers of the namespaces of containers'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s p -l pod -d 'Show the pods that containers are in'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s q -l quiet -d 'Only display container IDs'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s s -l size -d 'Display sizes: what the container wrote, and with its image'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l sync -d 'Look at the processes of containers as well as at their records: always done'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l arch -d 'The architecture of the image, if it has several' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l disable-content-trust -d 'Pull images for which the policy demands no signature, too; that is so unless DOCKER_CONTENT_TRUST is 1' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l os -d 'The operating system of the image: coracle runs linux' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l platform -d 'The platform of the image, if it has several: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l policy -d 'When to ask the registry: always, missing, newer or never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l variant -d 'The variant of the architecture of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -s a -l all-tags -d 'Pull all tags of the repository'
complete -c coracle -n "__fish_coracle_using_subcommand pull" -s q -l quiet -d 'Show no progress, print the name only'
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand push" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l compression-format -d 'Compress all layers in this way; those that are already are not compressed again' -r -f -a "gzip\t'Every registry and tool knows it'
zstd\t'Faster to unpack'"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l compression-level -d 'Compress all layers again, with this level: gzip has 1 to 9, zstd 1 to 20' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l digestfile -d 'Write the digest of what was pushed to this file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l disable-content-trust -d 'Push without a signature; that is so unless DOCKER_CONTENT_TRUST is 1' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand push" -s f -l format -d 'Format of the manifest, if it shall be another: oci or v2s2' -r -f -a "oci\t'The OCI image specification\'s'
v2s2\t'docker\'s schema 2'"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l platform -d 'Refuse the image if it is for another platform: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l sign-by-sigstore-private-key -d 'Sign the image with the key in this file, as cosign and skopeo make them; the signature goes to the registry' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l sign-passphrase-file -d 'File with the passphrase of that key, which is asked for otherwise' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand push" -s a -l all-tags -d 'Push all tags that are here of the repository'
complete -c coracle -n "__fish_coracle_using_subcommand push" -l force-compression -d 'Use no layers in the registry that are compressed otherwise: gzip, or what --compression-format says'
complete -c coracle -n "__fish_coracle_using_subcommand push" -s q -l quiet -d 'Show no progress'
complete -c coracle -n "__fish_coracle_using_subcommand push" -l remove-signatures -d 'Push no signatures: coracle never does, as it keeps none'
complete -c coracle -n "__fish_coracle_using_subcommand push" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand images" -s f -l filter -d 'Filter by dangling, label, before, since, reference, until, id, containers, intermediate, readonly or manifest' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand images" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand images" -l sort -d 'Sort by created (the newest first), id, repository, size or tag' -r -f -a "created\t'The newest first'
id\t'By ID'
repository\t'By name'
size\t'The smallest first'
tag\t'By tag'"
complete -c coracle -n "__fish_coracle_using_subcommand images" -s a -l all -d 'Show all images, also those that others were built on (all are shown anyway)'
complete -c coracle -n "__fish_coracle_using_subcommand images" -l digests -d 'Show digests'
complete -c coracle -n "__fish_coracle_using_subcommand images" -l history -d 'Show in a last column the names that the image has'
complete -c coracle -n "__fish_coracle_using_subcommand images" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand images" -s n -l noheading -d 'Leave out the headers of a table'
complete -c coracle -n "__fish_coracle_using_subcommand images" -s q -l quiet -d 'Only show image IDs'
complete -c coracle -n "__fish_coracle_using_subcommand images" -l tree -d 'Show images with their platforms below them, and what each takes unpacked and compressed'
complete -c coracle -n "__fish_coracle_using_subcommand images" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand history" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand history" -s H -l human -d 'Print sizes and dates in human readable format' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand history" -l platform -d 'The image must be for this platform: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand history" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand history" -s q -l quiet -d 'Only show image IDs'
complete -c coracle -n "__fish_coracle_using_subcommand history" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand import" -l arch -d 'The architecture of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand import" -s c -l change -d 'Apply a line of a Dockerfile to the image: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand import" -s m -l message -d 'The comment in the history of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand import" -l os -d 'The operating system of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand import" -l platform -d 'The platform of the image: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand import" -l variant -d 'The variant of the image\'s architecture' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand import" -s q -l quiet -d 'Show no progress'
complete -c coracle -n "__fish_coracle_using_subcommand import" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand load" -s i -l input -d 'Read from a file or directory, instead of standard input' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand load" -l platform -d 'Load only images for this platform: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand load" -s q -l quiet -d 'Show no progress'
complete -c coracle -n "__fish_coracle_using_subcommand load" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand save" -l format -d 'The layout of the archive' -r -f -a "docker-archive\t'A tar file that every tool reads; an OCI layout, too'
oci-archive\t'An OCI layout in a tar file'
docker-dir\t'A registry\'s manifest and blobs in a directory'
oci-dir\t'An OCI layout in a directory'"
complete -c coracle -n "__fish_coracle_using_subcommand save" -s o -l output -d 'Write to a file or directory, instead of standard output' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand save" -l platform -d 'Refuse images for another platform: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand save" -l compress -d 'Compress layers with gzip: only with --format docker-dir'
complete -c coracle -n "__fish_coracle_using_subcommand save" -s m -l multi-image-archive -d 'Further arguments are images, too (always, but when called as podman: then they are names of the first)'
complete -c coracle -n "__fish_coracle_using_subcommand save" -s q -l quiet -d 'Show no progress (none is shown anyway)'
complete -c coracle -n "__fish_coracle_using_subcommand save" -l uncompressed -d 'Do not compress layers: only with the OCI formats, which otherwise do'
complete -c coracle -n "__fish_coracle_using_subcommand save" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand attach" -l detach-keys -d 'Keys that detach from the container: characters and ctrl-<letter>, separated by commas' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand attach" -l sig-proxy -d 'Pass signals on to the process' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand attach" -l no-stdin -d 'Do not attach standard input'
complete -c coracle -n "__fish_coracle_using_subcommand attach" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand attach" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s a -l author -d 'The author: "Ann <ann@example.org>"' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s c -l change -d 'Apply a line of a Dockerfile to the image: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s f -l format -d 'The format of the manifest, instead of that of the container\'s image' -r -f -a "oci\t'The OCI image specification\'s'
docker\t'docker\'s'"
complete -c coracle -n "__fish_coracle_using_subcommand commit" -l iidfile -d 'Write the ID of the image to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s m -l message -d 'The comment in the history of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s p -l pause -d 'Let the container stand still while its files are read (docker: yes, podman: no)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand commit" -l include-volumes -d 'Make the container\'s volumes volumes of the image'
complete -c coracle -n "__fish_coracle_using_subcommand commit" -l no-pause -d 'Let the container go on while its files are read'
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s q -l quiet -d 'Show no progress (none is shown anyway)'
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s s -l squash -d 'Make one layer of all the container\'s files'
complete -c coracle -n "__fish_coracle_using_subcommand commit" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand cp" -s a -l archive -d 'Keep the user and group numbers of what is copied into a container (as podman: give it to the container\'s user; on by default there)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand cp" -s q -l quiet -d 'Do not say how much was copied. Nothing is said anyway where there is no terminal' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand cp" -s L -l follow-link -d 'Copy what a link at the end of SOURCE leads to, instead of the link'
complete -c coracle -n "__fish_coracle_using_subcommand cp" -l overwrite -d 'Let files replace directories, and directories files'
complete -c coracle -n "__fish_coracle_using_subcommand cp" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cidfile -d 'Write the container\'s ID to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -s l -l label -d 'Set a label on the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l label-file -d 'Read labels from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l name -d 'Give the container a name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l disable-content-trust -d 'Pull the image also if the policy demands no signature of it; that is so unless DOCKER_CONTENT_TRUST is 1' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l platform -d 'The platform of the image, if it has several: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pull -d 'Pull the image before creating the container: always, missing, newer or never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l tls-verify -d 'Require HTTPS and verify certificates when pulling' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l entrypoint -d 'Overwrite the image\'s default entrypoint' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -s e -l env -d 'Set an environment variable; a bare NAME is passed on' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l env-file -d 'Read environment variables from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l http-proxy -d 'Pass the proxy variables of this environment and of docker\'s configuration on' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l personality -d 'The execution domain: LINUX, or LINUX32 for programs that ask for a 32-bit machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l tz -d 'The time zone in the container: a name such as Europe/Paris, or local for this machine\'s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l umask -d 'The mask of the modes of new files, in octal; 0022 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -s w -l workdir -d 'The working directory inside the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l group-add -d 'Add a group to those of the user: a name or ID of the container, or keep-groups for those that you have on this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -s h -l hostname -d 'The container\'s host name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -s u -l user -d 'User name or ID, and optionally group: user[:group]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cgroupns -d 'Whose control groups the container sees: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l gidmap -d 'Map group IDs, as --uidmap does user IDs' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l ipc -d 'With whom the container shares memory (/dev/shm) and queues: private, shareable, none, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l ip -d 'The container\'s IPv4 address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l ip6 -d 'The container\'s IPv6 address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l mac-address -d 'The container\'s hardware address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l network -d 'The network to join: a network, bridge, host, none, container:NAME or ns:PATH; NETWORK:host-loopback lets it reach services that listen on this machine\'s loopback alone, which mostly trust whoever reaches them' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l network-alias -d 'Another name of the container on its network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pid -d 'Which processes the container sees: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l uidmap -d 'Map user IDs: CONTAINER:FROM[:AMOUNT], FROM among the user\'s subordinate IDs, or of the host with @' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l userns -d 'Whose IDs the container has: host, keep-id[:uid=UID,gid=GID], nomap, auto[:size=SIZE], container:NAME, ns:PATH, or auto-own (its user is you where a directory of yours is mounted)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l uts -d 'Whose host name the container has: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l add-host -d 'Add a name to /etc/hosts: NAME[;NAME…]:ADDRESS, or :host-gateway for this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l dns -d 'Ask this DNS server' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l dns-option -d 'Set an option of resolv.conf' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l dns-search -d 'Complete names with this domain; `.` for none' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l expose -d 'Say that a port is listened on, without publishing it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l low-ports -d 'Host ports that need privileges: refuse them, or remap them to the same number + 8000 (default refuse, or as in config.toml)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l net-rate -d 'How fast each interface may send, and receive: bits a second (10mbit, 1gbit) or bytes a second (500k, 2m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -s p -l publish -d 'Publish a port of the container on this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l mount -d 'Attach a file system mount: type=bind|volume|tmpfs|image|glob|ramfs|devpts,source=…,target=…' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l read-only-tmpfs -d 'With --read-only: /run, /tmp and /var/tmp are writable memory (podman\'s default)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l shm-size -d 'The size of /dev/shm' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l storage-opt -d 'Options of the storage driver: size=BYTES limits what the container\'s files may take (fuse)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l tmpfs -d 'Mount a tmpfs directory' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -s v -l volume -d 'Bind mount a path of this machine, or mount a volume' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cap-add -d 'Add a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cap-drop -d 'Drop a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l device -d 'Add a device of the host, all in a directory, those that fit a pattern, or one of a vendor (CDI): vendor.com/class=name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l device-cgroup-rule -d 'Allow devices by type and number: \'c 189:* rmw\'; the owner and mode of a device decide here, and no rule forbids any' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l gpus -d 'Add GPUs by what their vendor\'s CDI file says: all, a number, or device=ID' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l security-opt -d 'Security options: no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined, mask=PATH, unmask=PATH|ALL, proc-opts=OPTIONS, label=…, apparmor=unconfined' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l sysctl -d 'Set a setting of the kernel for the container\'s own namespaces' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l conmon-pidfile -d 'Write the number of the container\'s supervisor to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pidfile -d 'Write the number of the container\'s first process to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l init-path -d 'The program of this machine that is the init of --init' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand create" -l restart -d 'What follows when the container ends by itself: no, on-failure[:COUNT], always or unless-stopped' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l sdnotify -d 'The side that tells the service manager (NOTIFY_SOCKET) that the container is ready: container, conmon, healthy or ignore' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l runtime -d 'Refused unless it is coracle: containers run in coracle\'s own runtime' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l stop-signal -d 'The signal that stops the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l stop-timeout -d 'Seconds between that signal and SIGKILL' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l timeout -d 'Seconds after which the container is killed; 0 for never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l systemd -d 'Prepare the container for systemd: true (if its command is systemd or an init), false or always; true is usual, but for docker' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-cmd -d 'Command to run to check health: a line for the shell, or a JSON list of words; none for no check' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-interval -d 'Time between two checks (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-log-destination -d 'Where the results of checks are, besides in inspect: local (nowhere else), a directory, or events_logger' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-max-log-count -d 'How many results are kept (default 5); 0 for 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-max-log-size -d 'Bytes that are kept of what a check prints (default 4096); 0 for 65536' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-on-failure -d 'What happens to an unhealthy container: none, kill, restart or stop' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-retries -d 'Failures in a row that make the container unhealthy (default 3)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-start-interval -d 'Time between two checks in the start period (default 5s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-start-period -d 'Time for the container to start, in which failures do not count (default 0s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-startup-cmd -d 'Command to run to check that the container has started, before the other checks begin' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-startup-interval -d 'Time between two of these checks (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-startup-retries -d 'Failures in a row after which the container is started anew (default 0: never)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-startup-success -d 'Successes in a row after which the other checks begin (default 1)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-startup-timeout -d 'Time that one of these checks may take (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l health-timeout -d 'Time that one check may take (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l blkio-weight -d 'The container\'s weight among others that use the disk, from 10 to 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l blkio-weight-device -d 'The same for one device' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpu-period -d 'The period of --cpu-quota in microseconds; 100000 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpu-quota -d 'Processor time in each period, in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpu-rt-period -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpu-rt-runtime -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -s c -l cpu-shares -d 'The container\'s share of processor time among others that want it; 1024 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpus -d 'How many processors it may use, such as 1.5' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpuset-cpus -d 'The processors it may run on: 0-2,4' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpuset-mems -d 'The memory nodes it may use: 0,1' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l device-read-bps -d 'Bytes that it may read of a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l device-read-iops -d 'Read operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l device-write-bps -d 'Bytes that it may write to a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l device-write-iops -d 'Write operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -s m -l memory -d 'How much memory it may use' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l memory-reservation -d 'Memory that is taken from others first when there is little of it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l memory-swap -d 'Memory and swap together; -1 for no limit of swap; twice --memory is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l memory-swappiness -d 'Refused: cgroup v2 has no swappiness of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pids-limit -d 'How many processes and threads it may have; -1 for no limit' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l limits -d 'What becomes of limits that cannot be set here: strict (an error) or best-effort (what an ordinary user can do instead)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l oom-kill-disable -d 'Refused: cgroup v2 always kills a group that is out of memory' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l oom-score-adj -d 'How likely the kernel is to kill it when memory runs out, from -1000 to 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l ulimit -d 'A resource limit of each of its processes: NAME=SOFT[:HARD]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cgroup-conf -d 'Write a file of the container\'s control group: memory.high=100M' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cgroup-parent -d 'The control group above the container\'s: a slice of systemd, or a path' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cgroups -d 'Whether the container has a control group of its own: enabled, no-conmon, split or disabled' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l log-driver -d 'Where the output is kept: json-file, local, k8s-file, journald, none or passthrough' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l log-opt -d 'Options of the log driver: max-size=SIZE, max-file=NUMBER, path=FILE, tag=TEMPLATE, labels=NAMES, env=NAMES' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l secret -d 'Give the container a secret, as a file in /run/secrets or as a variable: NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l init-ctr -d 'Run to the end before the other containers of the pod: always at its start, or once' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pod -d 'The pod that the container is in; new:NAME makes one that gets its ports and networks' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pod-id-file -d 'Read the pod\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l replace -d 'Remove the container that has the name, if there is one'
complete -c coracle -n "__fish_coracle_using_subcommand create" -s q -l quiet -d 'Suppress the progress of a pull'
complete -c coracle -n "__fish_coracle_using_subcommand create" -s i -l interactive -d 'Keep standard input open even if not attached'
complete -c coracle -n "__fish_coracle_using_subcommand create" -s t -l tty -d 'Allocate a pseudo-terminal'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l no-hosts -d 'Leave /etc/hosts as the image has it'
complete -c coracle -n "__fish_coracle_using_subcommand create" -s P -l publish-all -d 'Publish all exposed ports on free ports of this machine'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l read-only -d 'Mount the container\'s root file system read-only'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l privileged -d 'Take off the limits on what the container may do within its user namespace'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l init -d 'Run an init as pid 1 that forwards signals and reaps processes'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l rm -d 'Remove the container and its anonymous volumes when it exits'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l no-healthcheck -d 'Run the container without the image\'s health check'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand diff" -l format -d 'Format of the list: \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand diff" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand export" -s o -l output -d 'Write to a file, instead of standard output' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand export" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand inspect" -l type -d 'Only objects of this type: container, image, network or volume' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand inspect" -s f -l format -d 'Format with a Go template, or \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand inspect" -s s -l size -d 'Display sizes of containers'
complete -c coracle -n "__fish_coracle_using_subcommand inspect" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand kill" -l cidfile -d 'Read the container\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand kill" -s s -l signal -d 'The signal, by name or number' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand kill" -s a -l all -d 'Signal all running containers'
complete -c coracle -n "__fish_coracle_using_subcommand kill" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand kill" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand login" -l authfile -d 'Keep the credentials in this file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand login" -l compat-auth-file -d 'Keep the credentials in this file, which has docker\'s format' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand login" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand login" -s p -l password -d 'Password or access token; others can see it here: rather use --password-stdin' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand login" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand login" -s u -l username -d 'User name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand login" -l get-login -d 'Print the user name that is logged in'
complete -c coracle -n "__fish_coracle_using_subcommand login" -l password-stdin -d 'Read the password from standard input'
complete -c coracle -n "__fish_coracle_using_subcommand login" -s v -l verbose -d 'Say where the credentials are kept'
complete -c coracle -n "__fish_coracle_using_subcommand login" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand logout" -l authfile -d 'Keep the credentials in this file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand logout" -l compat-auth-file -d 'Keep the credentials in this file, which has docker\'s format' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand logout" -s a -l all -d 'Forget all credentials in the file'
complete -c coracle -n "__fish_coracle_using_subcommand logout" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -l since -d 'Show logs since a time (2026-11-21T09:30:00Z) or a duration ago (10m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand logs" -s n -l tail -d 'Number of lines to show from the end' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand logs" -l until -d 'Show logs until a time (2026-11-21T09:30:00Z) or a duration ago (10m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand logs" -l color -d 'Show the container of each line in a color of its own, with several containers'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -l details -d 'Show what the log driver was told to add to each line: the tag, labels and variables'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -s f -l follow -d 'Go on with what comes, until the container ends'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -l names -d 'Show the names of several containers instead of their IDs'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -s t -l timestamps -d 'Show the time of each line'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand mount" -l format -d 'Format of the list: \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand mount" -s a -l all -d 'Mount all containers'
complete -c coracle -n "__fish_coracle_using_subcommand mount" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand mount" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand mount" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pause" -s f -l filter -d 'Those of them that a filter of `ps` finds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pause" -s a -l all -d 'All containers for which it can be done'
complete -c coracle -n "__fish_coracle_using_subcommand pause" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand rename" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s f -l filter -d 'Restart those containers that a filter of `ps` finds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s s -l signal -d 'The signal to send first' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s t -l timeout -d 'Seconds to wait before the container is killed; -1 for ever' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand restart" -l cidfile -d 'Read the container\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s a -l all -d 'Restart all containers, running or not'
complete -c coracle -n "__fish_coracle_using_subcommand restart" -l running -d 'Restart all running containers, or, of those that --filter finds, the running ones'
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand restart" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -l filter -d 'Remove those containers that a filter of `ps` finds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand rm" -l cidfile -d 'Read the container\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s t -l time -d 'Ask a running container to end, and kill it after this number of seconds; -1 for never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s a -l all -d 'Remove all containers'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -l depend -d 'Remove the containers that use its network, too'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s f -l force -d 'Kill a running container first'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s i -l ignore -d 'It does not matter that a container is missing'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s v -l volumes -d 'Remove its anonymous volumes too'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -l platform -d 'Refuse images for another platform: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -s a -l all -d 'Remove all images that no container has'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -s f -l force -d 'Remove an image with all its names, and the names of one that stopped containers use'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -s i -l ignore -d 'Do not complain about an image that does not exist'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -l no-prune -d 'Accepted: there are no images without a name that belong to others, and would go with them'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand search" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand search" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand search" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand search" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand search" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand search" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand search" -s f -l filter -d 'Filter by stars, is-official or is-automated' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand search" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand search" -l limit -d 'Show at most this number of results of each registry' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand search" -l compatible -d 'Show stars, official and automated as docker does'
complete -c coracle -n "__fish_coracle_using_subcommand search" -l list-tags -d 'List the tags of the repository that is named'
complete -c coracle -n "__fish_coracle_using_subcommand search" -l no-trunc -d 'Don\'t truncate descriptions'
complete -c coracle -n "__fish_coracle_using_subcommand search" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand start" -l detach-keys -d 'Keys that detach from the container: characters and ctrl-<letter>, separated by commas' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand start" -s f -l filter -d 'Start those containers that a filter of `ps` finds and that do not run' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand start" -l sig-proxy -d 'Pass signals on to the process' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand start" -l all -d 'Start all containers that do not run'
complete -c coracle -n "__fish_coracle_using_subcommand start" -s a -l attach -d 'Attach to its output and pass signals on'
complete -c coracle -n "__fish_coracle_using_subcommand start" -s i -l interactive -d 'Attach to its standard input'
complete -c coracle -n "__fish_coracle_using_subcommand start" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand start" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand stats" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand stats" -s i -l interval -d 'Seconds between two looks' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand stats" -s a -l all -d 'Show all containers (default shows just running)'
complete -c coracle -n "__fish_coracle_using_subcommand stats" -l no-reset -d 'Do not clear the terminal between two looks'
complete -c coracle -n "__fish_coracle_using_subcommand stats" -l no-stream -d 'Look once'
complete -c coracle -n "__fish_coracle_using_subcommand stats" -l no-trunc -l notruncate -d 'Do not shorten ids'
complete -c coracle -n "__fish_coracle_using_subcommand stats" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s f -l filter -d 'Stop those running containers that a filter of `ps` finds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s s -l signal -d 'The signal to send first' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s t -l timeout -d 'Seconds to wait before the container is killed; -1 for ever' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand stop" -l cidfile -d 'Read the container\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s a -l all -d 'Stop all running containers'
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s i -l ignore -d 'It does not matter that a container is missing'
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand stop" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand tag" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand top" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand top" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand umount" -s a -l all -d 'Unmount all containers that are mounted here'
complete -c coracle -n "__fish_coracle_using_subcommand umount" -s f -l force -d 'Unmount at once, however often it was mounted'
complete -c coracle -n "__fish_coracle_using_subcommand umount" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand umount" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand unmount" -s a -l all -d 'Unmount all containers that are mounted here'
complete -c coracle -n "__fish_coracle_using_subcommand unmount" -s f -l force -d 'Unmount at once, however often it was mounted'
complete -c coracle -n "__fish_coracle_using_subcommand unmount" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand unmount" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand unpause" -s f -l filter -d 'Those of them that a filter of `ps` finds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand unpause" -s a -l all -d 'All containers for which it can be done'
complete -c coracle -n "__fish_coracle_using_subcommand unpause" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand unshare" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand untag" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand update" -l blkio-weight -d 'The container\'s weight among others that use the disk, from 10 to 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l blkio-weight-device -d 'The same for one device' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l cpu-period -d 'The period of --cpu-quota in microseconds; 100000 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l cpu-quota -d 'Processor time in each period, in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l cpu-rt-period -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l cpu-rt-runtime -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -s c -l cpu-shares -d 'The container\'s share of processor time among others that want it; 1024 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l cpus -d 'How many processors it may use, such as 1.5' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l cpuset-cpus -d 'The processors it may run on: 0-2,4' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l cpuset-mems -d 'The memory nodes it may use: 0,1' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l device-read-bps -d 'Bytes that it may read of a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l device-read-iops -d 'Read operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l device-write-bps -d 'Bytes that it may write to a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l device-write-iops -d 'Write operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -s m -l memory -d 'How much memory it may use' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l memory-reservation -d 'Memory that is taken from others first when there is little of it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l memory-swap -d 'Memory and swap together; -1 for no limit of swap; twice --memory is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l memory-swappiness -d 'Refused: cgroup v2 has no swappiness of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l pids-limit -d 'How many processes and threads it may have; -1 for no limit' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l restart -d 'What follows when the container ends: no, on-failure[:COUNT], always or unless-stopped' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand update" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand wait" -l condition -d 'What to wait for: not-running, next-exit, removed, created, running, paused, stopping, removing, healthy or unhealthy. May be given several times: one of them suffices' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand wait" -s i -l interval -d 'How often podman looks. Every change is noticed at once here, so the value is checked and makes no difference' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand wait" -l exit-first-match -d 'End as soon as one of the containers meets a condition'
complete -c coracle -n "__fish_coracle_using_subcommand wait" -l ignore -d 'Print -1 for a container that is missing'
complete -c coracle -n "__fish_coracle_using_subcommand wait" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand wait" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand auto-update" -l authfile -d 'Take the credentials of registries from this file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand auto-update" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand auto-update" -l rollback -d 'Go back to the old image if a service does not start with the newer one' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand auto-update" -l tls-verify -d 'Demand TLS with a certificate that is trusted' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand auto-update" -l dry-run -d 'Only say for which containers there is a newer image'
complete -c coracle -n "__fish_coracle_using_subcommand auto-update" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand doctor" -l format -d 'How to show the checks: \'json\' for programs' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand doctor" -l fix -d 'Offer to run each fix that needs no administrator'
complete -c coracle -n "__fish_coracle_using_subcommand doctor" -l json -d 'The same as --format json'
complete -c coracle -n "__fish_coracle_using_subcommand doctor" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand events" -s f -l filter -d 'Filter by container, event, image, label, network, scope, type or volume' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand events" -l format -d 'Format with a Go template, or \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand events" -l no-trunc -d 'Don\'t truncate IDs' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand events" -l since -d 'Show events since a time (2026-11-21T09:30:00) or for a duration (10m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand events" -l stream -d 'Go on with what happens, instead of ending with the last event there is' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand events" -l until -d 'Show events until a time or for a duration, and end then' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand events" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand info" -s f -l format -d 'Format with a Go template, or \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand info" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand version" -s f -l format -d 'Format with a Go template, or \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand version" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand completion" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "attach" -d 'Attach standard input, output and error streams to a running container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "clone" -d 'Create a container with the configuration of another one'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "commit" -d 'Make an image of a container\'s changes'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "cp" -d 'Copy files between a container and the host, or another container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "create" -d 'Create a new container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "diff" -d 'Show what a container has changed in its files'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "exec" -d 'Execute a command in a running container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "exists" -d 'Check whether a container exists: exit code 0 if it does, 1 if not'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "export" -d 'Export a container\'s files as a tar archive, without what is mounted in it'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "inspect" -d 'Display detailed information on one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "kill" -d 'Kill one or more running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "logs" -d 'Fetch the logs of one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "ls" -d 'List containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "list" -d 'List containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "ps" -d 'List containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "mount" -d 'Mount the files of containers, or list those that are mounted (below `unshare`, or as root)'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "pause" -d 'Pause all processes within one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "port" -d 'List port mappings, or one of them, of a container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "prune" -d 'Remove all stopped containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "rename" -d 'Rename a container, running or not'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "restart" -d 'Restart one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "rm" -d 'Remove one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "remove" -d 'Remove one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "run" -d 'Create and run a new container from an image'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "start" -d 'Start one or more stopped containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "stats" -d 'Display what containers use of the machine'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "stop" -d 'Stop one or more running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "top" -d 'Display the running processes of a container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "umount" -d 'Unmount files of containers that `mount` has mounted'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "unmount" -d 'Unmount files of containers that `mount` has mounted'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "unpause" -d 'Unpause all processes within one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "update" -d 'Change settings of one or more containers, running or not'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach clone commit cp create diff exec exists export inspect kill logs ls list ps mount pause port prune rename restart rm remove run start stats stop top umount unmount unpause update wait" -f -a "wait" -d 'Block until one or more containers stop, then print their exit codes'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from attach" -l detach-keys -d 'Keys that detach from the container: characters and ctrl-<letter>, separated by commas' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from attach" -l sig-proxy -d 'Pass signals on to the process' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from attach" -l no-stdin -d 'Do not attach standard input'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from attach" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from attach" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l blkio-weight -d 'The container\'s weight among others that use the disk, from 10 to 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l blkio-weight-device -d 'The same for one device' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpu-period -d 'The period of --cpu-quota in microseconds; 100000 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpu-quota -d 'Processor time in each period, in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpu-rt-period -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpu-rt-runtime -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -s c -l cpu-shares -d 'The container\'s share of processor time among others that want it; 1024 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpus -d 'How many processors it may use, such as 1.5' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpuset-cpus -d 'The processors it may run on: 0-2,4' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpuset-mems -d 'The memory nodes it may use: 0,1' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l device-read-bps -d 'Bytes that it may read of a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l device-read-iops -d 'Read operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l device-write-bps -d 'Bytes that it may write to a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l device-write-iops -d 'Write operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -s m -l memory -d 'How much memory it may use' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l memory-reservation -d 'Memory that is taken from others first when there is little of it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l memory-swap -d 'Memory and swap together; -1 for no limit of swap; twice --memory is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l memory-swappiness -d 'Refused: cgroup v2 has no swappiness of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l pids-limit -d 'How many processes and threads it may have; -1 for no limit' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l name -d 'Give the new container a name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l pod -d 'Put the new container into a pod' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l destroy -d 'Remove the other container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -s f -l force -d 'Remove it also when it runs; needs --destroy'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l run -d 'Start the new container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from clone" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s a -l author -d 'The author: "Ann <ann@example.org>"' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s c -l change -d 'Apply a line of a Dockerfile to the image: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s f -l format -d 'The format of the manifest, instead of that of the container\'s image' -r -f -a "oci\t'The OCI image specification\'s'
docker\t'docker\'s'"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -l iidfile -d 'Write the ID of the image to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s m -l message -d 'The comment in the history of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s p -l pause -d 'Let the container stand still while its files are read (docker: yes, podman: no)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -l include-volumes -d 'Make the container\'s volumes volumes of the image'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -l no-pause -d 'Let the container go on while its files are read'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s q -l quiet -d 'Show no progress (none is shown anyway)'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s s -l squash -d 'Make one layer of all the container\'s files'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -s a -l archive -d 'Keep the user and group numbers of what is copied into a container (as podman: give it to the container\'s user; on by default there)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -s q -l quiet -d 'Do not say how much was copied. Nothing is said anyway where there is no terminal' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -s L -l follow-link -d 'Copy what a link at the end of SOURCE leads to, instead of the link'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -l overwrite -d 'Let files replace directories, and directories files'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cidfile -d 'Write the container\'s ID to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s l -l label -d 'Set a label on the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l label-file -d 'Read labels from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l name -d 'Give the container a name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l disable-content-trust -d 'Pull the image also if the policy demands no signature of it; that is so unless DOCKER_CONTENT_TRUST is 1' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l platform -d 'The platform of the image, if it has several: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pull -d 'Pull the image before creating the container: always, missing, newer or never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l tls-verify -d 'Require HTTPS and verify certificates when pulling' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l entrypoint -d 'Overwrite the image\'s default entrypoint' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s e -l env -d 'Set an environment variable; a bare NAME is passed on' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l env-file -d 'Read environment variables from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l http-proxy -d 'Pass the proxy variables of this environment and of docker\'s configuration on' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l personality -d 'The execution domain: LINUX, or LINUX32 for programs that ask for a 32-bit machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l tz -d 'The time zone in the container: a name such as Europe/Paris, or local for this machine\'s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l umask -d 'The mask of the modes of new files, in octal; 0022 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s w -l workdir -d 'The working directory inside the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l group-add -d 'Add a group to those of the user: a name or ID of the container, or keep-groups for those that you have on this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s h -l hostname -d 'The container\'s host name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s u -l user -d 'User name or ID, and optionally group: user[:group]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroupns -d 'Whose control groups the container sees: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l gidmap -d 'Map group IDs, as --uidmap does user IDs' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l ipc -d 'With whom the container shares memory (/dev/shm) and queues: private, shareable, none, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l ip -d 'The container\'s IPv4 address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l ip6 -d 'The container\'s IPv6 address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l mac-address -d 'The container\'s hardware address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l network -d 'The network to join: a network, bridge, host, none, container:NAME or ns:PATH; NETWORK:host-loopback lets it reach services that listen on this machine\'s loopback alone, which mostly trust whoever reaches them' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l network-alias -d 'Another name of the container on its network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pid -d 'Which processes the container sees: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l uidmap -d 'Map user IDs: CONTAINER:FROM[:AMOUNT], FROM among the user\'s subordinate IDs, or of the host with @' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l userns -d 'Whose IDs the container has: host, keep-id[:uid=UID,gid=GID], nomap, auto[:size=SIZE], container:NAME, ns:PATH, or auto-own (its user is you where a directory of yours is mounted)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l uts -d 'Whose host name the container has: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l add-host -d 'Add a name to /etc/hosts: NAME[;NAME…]:ADDRESS, or :host-gateway for this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l dns -d 'Ask this DNS server' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l dns-option -d 'Set an option of resolv.conf' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l dns-search -d 'Complete names with this domain; `.` for none' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l expose -d 'Say that a port is listened on, without publishing it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l low-ports -d 'Host ports that need privileges: refuse them, or remap them to the same number + 8000 (default refuse, or as in config.toml)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l net-rate -d 'How fast each interface may send, and receive: bits a second (10mbit, 1gbit) or bytes a second (500k, 2m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s p -l publish -d 'Publish a port of the container on this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l mount -d 'Attach a file system mount: type=bind|volume|tmpfs|image|glob|ramfs|devpts,source=…,target=…' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l read-only-tmpfs -d 'With --read-only: /run, /tmp and /var/tmp are writable memory (podman\'s default)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l shm-size -d 'The size of /dev/shm' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l storage-opt -d 'Options of the storage driver: size=BYTES limits what the container\'s files may take (fuse)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l tmpfs -d 'Mount a tmpfs directory' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s v -l volume -d 'Bind mount a path of this machine, or mount a volume' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-add -d 'Add a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-drop -d 'Drop a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l device -d 'Add a device of the host, all in a directory, those that fit a pattern, or one of a vendor (CDI): vendor.com/class=name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l device-cgroup-rule -d 'Allow devices by type and number: \'c 189:* rmw\'; the owner and mode of a device decide here, and no rule forbids any' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l gpus -d 'Add GPUs by what their vendor\'s CDI file says: all, a number, or device=ID' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l security-opt -d 'Security options: no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined, mask=PATH, unmask=PATH|ALL, proc-opts=OPTIONS, label=…, apparmor=unconfined' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l sysctl -d 'Set a setting of the kernel for the container\'s own namespaces' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l conmon-pidfile -d 'Write the number of the container\'s supervisor to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pidfile -d 'Write the number of the container\'s first process to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l init-path -d 'The program of this machine that is the init of --init' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l restart -d 'What follows when the container ends by itself: no, on-failure[:COUNT], always or unless-stopped' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l sdnotify -d 'The side that tells the service manager (NOTIFY_SOCKET) that the container is ready: container, conmon, healthy or ignore' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l runtime -d 'Refused unless it is coracle: containers run in coracle\'s own runtime' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l stop-signal -d 'The signal that stops the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l stop-timeout -d 'Seconds between that signal and SIGKILL' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l timeout -d 'Seconds after which the container is killed; 0 for never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l systemd -d 'Prepare the container for systemd: true (if its command is systemd or an init), false or always; true is usual, but for docker' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-cmd -d 'Command to run to check health: a line for the shell, or a JSON list of words; none for no check' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-interval -d 'Time between two checks (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-log-destination -d 'Where the results of checks are, besides in inspect: local (nowhere else), a directory, or events_logger' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-max-log-count -d 'How many results are kept (default 5); 0 for 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-max-log-size -d 'Bytes that are kept of what a check prints (default 4096); 0 for 65536' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-on-failure -d 'What happens to an unhealthy container: none, kill, restart or stop' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-retries -d 'Failures in a row that make the container unhealthy (default 3)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-start-interval -d 'Time between two checks in the start period (default 5s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-start-period -d 'Time for the container to start, in which failures do not count (default 0s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-startup-cmd -d 'Command to run to check that the container has started, before the other checks begin' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-startup-interval -d 'Time between two of these checks (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-startup-retries -d 'Failures in a row after which the container is started anew (default 0: never)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-startup-success -d 'Successes in a row after which the other checks begin (default 1)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-startup-timeout -d 'Time that one of these checks may take (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l health-timeout -d 'Time that one check may take (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l blkio-weight -d 'The container\'s weight among others that use the disk, from 10 to 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l blkio-weight-device -d 'The same for one device' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-period -d 'The period of --cpu-quota in microseconds; 100000 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-quota -d 'Processor time in each period, in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-rt-period -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-rt-runtime -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s c -l cpu-shares -d 'The container\'s share of processor time among others that want it; 1024 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpus -d 'How many processors it may use, such as 1.5' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpuset-cpus -d 'The processors it may run on: 0-2,4' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpuset-mems -d 'The memory nodes it may use: 0,1' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l device-read-bps -d 'Bytes that it may read of a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l device-read-iops -d 'Read operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l device-write-bps -d 'Bytes that it may write to a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l device-write-iops -d 'Write operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s m -l memory -d 'How much memory it may use' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-reservation -d 'Memory that is taken from others first when there is little of it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-swap -d 'Memory and swap together; -1 for no limit of swap; twice --memory is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-swappiness -d 'Refused: cgroup v2 has no swappiness of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pids-limit -d 'How many processes and threads it may have; -1 for no limit' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l limits -d 'What becomes of limits that cannot be set here: strict (an error) or best-effort (what an ordinary user can do instead)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l oom-kill-disable -d 'Refused: cgroup v2 always kills a group that is out of memory' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l oom-score-adj -d 'How likely the kernel is to kill it when memory runs out, from -1000 to 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l ulimit -d 'A resource limit of each of its processes: NAME=SOFT[:HARD]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroup-conf -d 'Write a file of the container\'s control group: memory.high=100M' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroup-parent -d 'The control group above the container\'s: a slice of systemd, or a path' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroups -d 'Whether the container has a control group of its own: enabled, no-conmon, split or disabled' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l log-driver -d 'Where the output is kept: json-file, local, k8s-file, journald, none or passthrough' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l log-opt -d 'Options of the log driver: max-size=SIZE, max-file=NUMBER, path=FILE, tag=TEMPLATE, labels=NAMES, env=NAMES' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l secret -d 'Give the container a secret, as a file in /run/secrets or as a variable: NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l init-ctr -d 'Run to the end before the other containers of the pod: always at its start, or once' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pod -d 'The pod that the container is in; new:NAME makes one that gets its ports and networks' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pod-id-file -d 'Read the pod\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l replace -d 'Remove the container that has the name, if there is one'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Suppress the progress of a pull'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s i -l interactive -d 'Keep standard input open even if not attached'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s t -l tty -d 'Allocate a pseudo-terminal'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l no-hosts -d 'Leave /etc/hosts as the image has it'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s P -l publish-all -d 'Publish all exposed ports on free ports of this machine'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l read-only -d 'Mount the container\'s root file system read-only'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l privileged -d 'Take off the limits on what the container may do within its user namespace'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l init -d 'Run an init as pid 1 that forwards signals and reaps processes'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l rm -d 'Remove the container and its anonymous volumes when it exits'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l no-healthcheck -d 'Run the container without the image\'s health check'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from diff" -l format -d 'Format of the list: \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from diff" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l detach-keys -d 'Keys that detach from the command: characters and ctrl-<letter>, separated by commas' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s e -l env -d 'Set an environment variable; a bare NAME is passed on' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l env-file -d 'Read environment variables from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s u -l user -d 'User name or ID, and optionally group: user[:group]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s w -l workdir -d 'The working directory inside the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l cidfile -d 'Read the container\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s d -l detach -d 'Run the command in the background'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s i -l interactive -d 'Keep standard input open'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l privileged -d 'Take off the limits on what the command may do within the container\'s user namespace'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s t -l tty -d 'Allocate a pseudo-terminal'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exists" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from export" -s o -l output -d 'Write to a file, instead of standard output' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from export" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Format with a Go template, or \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from inspect" -s s -l size -d 'Display sizes of containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from inspect" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -l cidfile -d 'Read the container\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -s s -l signal -d 'The signal, by name or number' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -s a -l all -d 'Signal all running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -l since -d 'Show logs since a time (2026-11-21T09:30:00Z) or a duration ago (10m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -s n -l tail -d 'Number of lines to show from the end' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -l until -d 'Show logs until a time (2026-11-21T09:30:00Z) or a duration ago (10m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -l color -d 'Show the container of each line in a color of its own, with several containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -l details -d 'Show what the log driver was told to add to each line: the tag, labels and variables'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on with what comes, until the container ends'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -l names -d 'Show the names of several containers instead of their IDs'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -s t -l timestamps -d 'Show the time of each line'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter by id, name, label, exited, status, ancestor, before, since, volume, network, pod, publish, expose, health, restart-policy or should-start-on-boot' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s n -l last -d 'Show the n last created containers, whatever their state' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l sort -d 'Sort by command, created, id, image, names, runningfor or status' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s w -l watch -d 'Show the list again after this number of seconds, until you end it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s a -l all -d 'Show all containers (default shows just running)'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s l -l latest -d 'Show the latest created container, whatever its state'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l noheading -d 'Leave the header line out'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l ns -d 'Show the numbers of the namespaces of containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s p -l pod -d 'Show the pods that containers are in'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Only display container IDs'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s s -l size -d 'Display sizes: what the container wrote, and with its image'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l sync -d 'Look at the processes of containers as well as at their records: always done'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter by id, name, label, exited, status, ancestor, before, since, volume, network, pod, publish, expose, health, restart-policy or should-start-on-boot' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s n -l last -d 'Show the n last created containers, whatever their state' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l sort -d 'Sort by command, created, id, image, names, runningfor or status' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s w -l watch -d 'Show the list again after this number of seconds, until you end it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s a -l all -d 'Show all containers (default shows just running)'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s l -l latest -d 'Show the latest created container, whatever its state'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l noheading -d 'Leave the header line out'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l ns -d 'Show the numbers of the namespaces of containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s p -l pod -d 'Show the pods that containers are in'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only display container IDs'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s s -l size -d 'Display sizes: what the container wrote, and with its image'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l sync -d 'Look at the processes of containers as well as at their records: always done'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s f -l filter -d 'Filter by id, name, label, exited, status, ancestor, before, since, volume, network, pod, publish, expose, health, restart-policy or should-start-on-boot' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s n -l last -d 'Show the n last created containers, whatever their state' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l sort -d 'Sort by command, created, id, image, names, runningfor or status' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s w -l watch -d 'Show the list again after this number of seconds, until you end it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s a -l all -d 'Show all containers (default shows just running)'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s l -l latest -d 'Show the latest created container, whatever its state'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l noheading -d 'Leave the header line out'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l ns -d 'Show the numbers of the namespaces of containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s p -l pod -d 'Show the pods that containers are in'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s q -l quiet -d 'Only display container IDs'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s s -l size -d 'Display sizes: what the container wrote, and with its image'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l sync -d 'Look at the processes of containers as well as at their records: always done'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from mount" -l format -d 'Format of the list: \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from mount" -s a -l all -d 'Mount all containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from mount" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from mount" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from mount" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from pause" -s f -l filter -d 'Those of them that a filter of `ps` finds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from pause" -s a -l all -d 'All containers for which it can be done'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from pause" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from port" -s a -l all -d 'Show those of all running containers, each line with the container\'s ID'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from port" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from port" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from prune" -l filter -d 'Filter by label or until' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask first'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from prune" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rename" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s f -l filter -d 'Restart those containers that a filter of `ps` finds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s s -l signal -d 'The signal to send first' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s t -l timeout -d 'Seconds to wait before the container is killed; -1 for ever' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -l cidfile -d 'Read the container\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s a -l all -d 'Restart all containers, running or not'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -l running -d 'Restart all running containers, or, of those that --filter finds, the running ones'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -l filter -d 'Remove those containers that a filter of `ps` finds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -l cidfile -d 'Read the container\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s t -l time -d 'Ask a running container to end, and kill it after this number of seconds; -1 for never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -l depend -d 'Remove the containers that use its network, too'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s f -l force -d 'Kill a running container first'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'It does not matter that a container is missing'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s v -l volumes -d 'Remove its anonymous volumes too'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -l filter -d 'Remove those containers that a filter of `ps` finds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -l cidfile -d 'Read the container\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -s t -l time -d 'Ask a running container to end, and kill it after this number of seconds; -1 for never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -l depend -d 'Remove the containers that use its network, too'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -s f -l force -d 'Kill a running container first'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -s i -l ignore -d 'It does not matter that a container is missing'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -s v -l volumes -d 'Remove its anonymous volumes too'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s a -l attach -d 'Attach to STDIN, STDOUT or STDERR only' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l detach-keys -d 'Keys that detach from the container: characters and ctrl-<letter>, separated by commas' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l preserve-fd -d 'Hand these open descriptors over to the process, under their numbers' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l preserve-fds -d 'Hand this number of open descriptors over to the process: 3 and those that follow' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l sig-proxy -d 'Pass signals on to the process' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cidfile -d 'Write the container\'s ID to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s l -l label -d 'Set a label on the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l label-file -d 'Read labels from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l name -d 'Give the container a name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l disable-content-trust -d 'Pull the image also if the policy demands no signature of it; that is so unless DOCKER_CONTENT_TRUST is 1' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l platform -d 'The platform of the image, if it has several: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pull -d 'Pull the image before creating the container: always, missing, newer or never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l tls-verify -d 'Require HTTPS and verify certificates when pulling' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l entrypoint -d 'Overwrite the image\'s default entrypoint' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s e -l env -d 'Set an environment variable; a bare NAME is passed on' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l env-file -d 'Read environment variables from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l http-proxy -d 'Pass the proxy variables of this environment and of docker\'s configuration on' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l personality -d 'The execution domain: LINUX, or LINUX32 for programs that ask for a 32-bit machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l tz -d 'The time zone in the container: a name such as Europe/Paris, or local for this machine\'s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l umask -d 'The mask of the modes of new files, in octal; 0022 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s w -l workdir -d 'The working directory inside the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l group-add -d 'Add a group to those of the user: a name or ID of the container, or keep-groups for those that you have on this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s h -l hostname -d 'The container\'s host name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s u -l user -d 'User name or ID, and optionally group: user[:group]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroupns -d 'Whose control groups the container sees: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l gidmap -d 'Map group IDs, as --uidmap does user IDs' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l ipc -d 'With whom the container shares memory (/dev/shm) and queues: private, shareable, none, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l ip -d 'The container\'s IPv4 address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l ip6 -d 'The container\'s IPv6 address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l mac-address -d 'The container\'s hardware address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l network -d 'The network to join: a network, bridge, host, none, container:NAME or ns:PATH; NETWORK:host-loopback lets it reach services that listen on this machine\'s loopback alone, which mostly trust whoever reaches them' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l network-alias -d 'Another name of the container on its network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pid -d 'Which processes the container sees: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l uidmap -d 'Map user IDs: CONTAINER:FROM[:AMOUNT], FROM among the user\'s subordinate IDs, or of the host with @' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l userns -d 'Whose IDs the container has: host, keep-id[:uid=UID,gid=GID], nomap, auto[:size=SIZE], container:NAME, ns:PATH, or auto-own (its user is you where a directory of yours is mounted)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l uts -d 'Whose host name the container has: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l add-host -d 'Add a name to /etc/hosts: NAME[;NAME…]:ADDRESS, or :host-gateway for this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l dns -d 'Ask this DNS server' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l dns-option -d 'Set an option of resolv.conf' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l dns-search -d 'Complete names with this domain; `.` for none' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l expose -d 'Say that a port is listened on, without publishing it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l low-ports -d 'Host ports that need privileges: refuse them, or remap them to the same number + 8000 (default refuse, or as in config.toml)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l net-rate -d 'How fast each interface may send, and receive: bits a second (10mbit, 1gbit) or bytes a second (500k, 2m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s p -l publish -d 'Publish a port of the container on this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l mount -d 'Attach a file system mount: type=bind|volume|tmpfs|image|glob|ramfs|devpts,source=…,target=…' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only-tmpfs -d 'With --read-only: /run, /tmp and /var/tmp are writable memory (podman\'s default)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l shm-size -d 'The size of /dev/shm' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l storage-opt -d 'Options of the storage driver: size=BYTES limits what the container\'s files may take (fuse)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l tmpfs -d 'Mount a tmpfs directory' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s v -l volume -d 'Bind mount a path of this machine, or mount a volume' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-add -d 'Add a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-drop -d 'Drop a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l device -d 'Add a device of the host, all in a directory, those that fit a pattern, or one of a vendor (CDI): vendor.com/class=name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l device-cgroup-rule -d 'Allow devices by type and number: \'c 189:* rmw\'; the owner and mode of a device decide here, and no rule forbids any' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l gpus -d 'Add GPUs by what their vendor\'s CDI file says: all, a number, or device=ID' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l security-opt -d 'Security options: no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined, mask=PATH, unmask=PATH|ALL, proc-opts=OPTIONS, label=…, apparmor=unconfined' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l sysctl -d 'Set a setting of the kernel for the container\'s own namespaces' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l conmon-pidfile -d 'Write the number of the container\'s supervisor to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pidfile -d 'Write the number of the container\'s first process to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l init-path -d 'The program of this machine that is the init of --init' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l restart -d 'What follows when the container ends by itself: no, on-failure[:COUNT], always or unless-stopped' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l sdnotify -d 'The side that tells the service manager (NOTIFY_SOCKET) that the container is ready: container, conmon, healthy or ignore' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l runtime -d 'Refused unless it is coracle: containers run in coracle\'s own runtime' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-signal -d 'The signal that stops the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-timeout -d 'Seconds between that signal and SIGKILL' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l timeout -d 'Seconds after which the container is killed; 0 for never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l systemd -d 'Prepare the container for systemd: true (if its command is systemd or an init), false or always; true is usual, but for docker' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-cmd -d 'Command to run to check health: a line for the shell, or a JSON list of words; none for no check' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-interval -d 'Time between two checks (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-log-destination -d 'Where the results of checks are, besides in inspect: local (nowhere else), a directory, or events_logger' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-max-log-count -d 'How many results are kept (default 5); 0 for 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-max-log-size -d 'Bytes that are kept of what a check prints (default 4096); 0 for 65536' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-on-failure -d 'What happens to an unhealthy container: none, kill, restart or stop' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-retries -d 'Failures in a row that make the container unhealthy (default 3)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-start-interval -d 'Time between two checks in the start period (default 5s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-start-period -d 'Time for the container to start, in which failures do not count (default 0s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-startup-cmd -d 'Command to run to check that the container has started, before the other checks begin' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-startup-interval -d 'Time between two of these checks (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-startup-retries -d 'Failures in a row after which the container is started anew (default 0: never)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-startup-success -d 'Successes in a row after which the other checks begin (default 1)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-startup-timeout -d 'Time that one of these checks may take (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l health-timeout -d 'Time that one check may take (default 30s)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l blkio-weight -d 'The container\'s weight among others that use the disk, from 10 to 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l blkio-weight-device -d 'The same for one device' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-period -d 'The period of --cpu-quota in microseconds; 100000 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-quota -d 'Processor time in each period, in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-rt-period -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-rt-runtime -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s c -l cpu-shares -d 'The container\'s share of processor time among others that want it; 1024 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpus -d 'How many processors it may use, such as 1.5' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpuset-cpus -d 'The processors it may run on: 0-2,4' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpuset-mems -d 'The memory nodes it may use: 0,1' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l device-read-bps -d 'Bytes that it may read of a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l device-read-iops -d 'Read operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l device-write-bps -d 'Bytes that it may write to a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l device-write-iops -d 'Write operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s m -l memory -d 'How much memory it may use' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-reservation -d 'Memory that is taken from others first when there is little of it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-swap -d 'Memory and swap together; -1 for no limit of swap; twice --memory is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-swappiness -d 'Refused: cgroup v2 has no swappiness of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pids-limit -d 'How many processes and threads it may have; -1 for no limit' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l limits -d 'What becomes of limits that cannot be set here: strict (an error) or best-effort (what an ordinary user can do instead)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l oom-kill-disable -d 'Refused: cgroup v2 always kills a group that is out of memory' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l oom-score-adj -d 'How likely the kernel is to kill it when memory runs out, from -1000 to 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l ulimit -d 'A resource limit of each of its processes: NAME=SOFT[:HARD]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroup-conf -d 'Write a file of the container\'s control group: memory.high=100M' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroup-parent -d 'The control group above the container\'s: a slice of systemd, or a path' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroups -d 'Whether the container has a control group of its own: enabled, no-conmon, split or disabled' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l log-driver -d 'Where the output is kept: json-file, local, k8s-file, journald, none or passthrough' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l log-opt -d 'Options of the log driver: max-size=SIZE, max-file=NUMBER, path=FILE, tag=TEMPLATE, labels=NAMES, env=NAMES' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l secret -d 'Give the container a secret, as a file in /run/secrets or as a variable: NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l init-ctr -d 'Run to the end before the other containers of the pod: always at its start, or once' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pod -d 'The pod that the container is in; new:NAME makes one that gets its ports and networks' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pod-id-file -d 'Read the pod\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s d -l detach -d 'Run in the background and print the container\'s ID'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l replace -d 'Remove the container that has the name, if there is one'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s q -l quiet -d 'Suppress the progress of a pull'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s i -l interactive -d 'Keep standard input open even if not attached'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s t -l tty -d 'Allocate a pseudo-terminal'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l no-hosts -d 'Leave /etc/hosts as the image has it'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s P -l publish-all -d 'Publish all exposed ports on free ports of this machine'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only -d 'Mount the container\'s root file system read-only'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l privileged -d 'Take off the limits on what the container may do within its user namespace'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l init -d 'Run an init as pid 1 that forwards signals and reaps processes'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l rm -d 'Remove the container and its anonymous volumes when it exits'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l no-healthcheck -d 'Run the container without the image\'s health check'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -l detach-keys -d 'Keys that detach from the container: characters and ctrl-<letter>, separated by commas' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -s f -l filter -d 'Start those containers that a filter of `ps` finds and that do not run' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -l sig-proxy -d 'Pass signals on to the process' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -l all -d 'Start all containers that do not run'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -s a -l attach -d 'Attach to its output and pass signals on'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -s i -l interactive -d 'Attach to its standard input'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -s i -l interval -d 'Seconds between two looks' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -s a -l all -d 'Show all containers (default shows just running)'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-reset -d 'Do not clear the terminal between two looks'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-stream -d 'Look once'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-trunc -l notruncate -d 'Do not shorten ids'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s f -l filter -d 'Stop those running containers that a filter of `ps` finds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s s -l signal -d 'The signal to send first' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s t -l timeout -d 'Seconds to wait before the container is killed; -1 for ever' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -l cidfile -d 'Read the container\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s a -l all -d 'Stop all running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s i -l ignore -d 'It does not matter that a container is missing'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from top" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from top" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from umount" -s a -l all -d 'Unmount all containers that are mounted here'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from umount" -s f -l force -d 'Unmount at once, however often it was mounted'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from umount" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from umount" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unmount" -s a -l all -d 'Unmount all containers that are mounted here'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unmount" -s f -l force -d 'Unmount at once, however often it was mounted'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unmount" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unmount" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unpause" -s f -l filter -d 'Those of them that a filter of `ps` finds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unpause" -s a -l all -d 'All containers for which it can be done'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unpause" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l blkio-weight -d 'The container\'s weight among others that use the disk, from 10 to 1000' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l blkio-weight-device -d 'The same for one device' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-period -d 'The period of --cpu-quota in microseconds; 100000 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-quota -d 'Processor time in each period, in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-rt-period -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-rt-runtime -d 'Refused: cgroup v2 has no real-time scheduling of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -s c -l cpu-shares -d 'The container\'s share of processor time among others that want it; 1024 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l cpus -d 'How many processors it may use, such as 1.5' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l cpuset-cpus -d 'The processors it may run on: 0-2,4' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l cpuset-mems -d 'The memory nodes it may use: 0,1' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l device-read-bps -d 'Bytes that it may read of a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l device-read-iops -d 'Read operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l device-write-bps -d 'Bytes that it may write to a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l device-write-iops -d 'Write operations on a device each second' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -s m -l memory -d 'How much memory it may use' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-reservation -d 'Memory that is taken from others first when there is little of it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-swap -d 'Memory and swap together; -1 for no limit of swap; twice --memory is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-swappiness -d 'Refused: cgroup v2 has no swappiness of groups' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l pids-limit -d 'How many processes and threads it may have; -1 for no limit' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l restart -d 'What follows when the container ends: no, on-failure[:COUNT], always or unless-stopped' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -l condition -d 'What to wait for: not-running, next-exit, removed, created, running, paused, stopping, removing, healthy or unhealthy. May be given several times: one of them suffices' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -s i -l interval -d 'How often podman looks. Every change is noticed at once here, so the value is checked and makes no difference' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -l exit-first-match -d 'End as soon as one of the containers meets a condition'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -l ignore -d 'Print -1 for a container that is missing'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "diff" -d 'Show what an image changes over another one, or its last layer over those below'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "exists" -d 'Check whether an image exists: exit code 0 if it does, 1 if not'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "history" -d 'Show the history of an image'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "import" -d 'Make an image of an archive of files'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "inspect" -d 'Display detailed information on one or more images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "load" -d 'Load images from an archive that `save` wrote'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "mount" -d 'Mount the files of images, read-only, or list those that are mounted (below `unshare`, or as root)'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "prune" -d 'Remove unused images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "ls" -d 'List images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "list" -d 'List images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "pull" -d 'Download an image from a registry'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "push" -d 'Upload an image to a registry'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "rm" -d 'Remove one or more images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "remove" -d 'Remove one or more images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "save" -d 'Save one or more images to an archive, for `load`'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "scp" -d 'Copy an image to or from another machine, with ssh, or another user of this one, as root'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "search" -d 'Search a registry for repositories'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "tree" -d 'Show the layers of an image as a tree'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "tag" -d 'Give an image further names'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "unmount" -d 'Unmount files of images that `image mount` has mounted'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "umount" -d 'Unmount files of images that `image mount` has mounted'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "untag" -d 'Take names away from an image, all if none is given'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff exists history import inspect load mount prune ls list pull push rm remove save scp search tree tag unmount umount untag trust" -f -a "trust" -d 'Manage from which repositories images are taken'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l add-host -d 'Add a name to /etc/hosts of the steps: NAME:ADDRESS' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cap-add -d 'Give the steps a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cap-drop -d 'Take a Linux capability from the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cgroup-parent -d 'The control group above those of the steps: a slice of systemd, or a path' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cgroupns -d 'Whose control groups the steps see: private or host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cpu-period -d 'The period of --cpu-quota in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cpu-quota -d 'Processor time of a step in each period, in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s c -l cpu-shares -d 'A step\'s share of processor time; 1024 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cpuset-cpus -d 'The processors that steps may run on: 0-2,4' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cpuset-mems -d 'The memory nodes that steps may use: 0,1' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l device -d 'Give the steps a device of the host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l dns -d 'A DNS server for the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l dns-option -d 'An option of the steps\' resolv.conf' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l dns-search -d 'Complete names with this domain in the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l http-proxy -d 'Give the steps this machine\'s proxy variables (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l isolation -d 'How steps are confined: default or oci, which is as containers are' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s m -l memory -d 'How much memory a step may use' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l memory-swap -d 'Memory and swap of a step together; -1 for no limit of swap' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l network -d 'The network of the steps: default, none, host or the name of a network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l security-opt -d 'Security options of the steps: no-new-privileges, seccomp=FILE|unconfined, mask=PATH, unmask=PATH|ALL, label=…, apparmor=unconfined' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l shm-size -d 'Size of /dev/shm of the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l ulimit -d 'A resource limit of each process of the steps: NAME=SOFT[:HARD]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l userns -d 'Whose ids the steps have: host, keep-id, nomap or auto' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s v -l volume -d 'Mount a directory of this machine in each step: SOURCE:TARGET[:OPTIONS]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l allow -d 'Allow steps more than usual: network.host, for RUN --network=host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l annotation -d 'Add an annotation to the manifest of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l arch -d 'Build for this architecture, on Linux' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l attest -d 'Attestations of the image, which are not made: only type=provenance|sbom,disabled=true' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l build-arg -d 'Set an ARG of the Dockerfile; without a value, from the environment' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l build-arg-file -d 'Read build arguments from a file with a NAME=VALUE on each line' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l build-context -d 'A directory, archive, git repository, image (docker-image://NAME, oci-layout://DIRECTORY) or stage (target:NAME) that FROM and --from know by a name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l builder -d 'The builder: there is one, called default' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cache-from -d 'Take steps from the build cache of an image or a directory: type=registry,ref=NAME, type=local,src=DIRECTORY, or NAME' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cache-to -d 'Keep steps for other machines: type=registry,ref=NAME, type=local,dest=DIRECTORY or type=inline, with mode=max for those of all stages' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l call -d 'Do something else than build: check the Dockerfile, outline what a target takes, or list the targets' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l disable-content-trust -d 'Accepted as docker\'s old flag; signatures are checked as the policy says' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l env -d 'Add a variable to the image; without a value, from the environment' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s f -l file -d 'The Dockerfile; - for standard input (default Dockerfile in the context)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l force-rm -d 'Containers of steps are always removed, those of failed ones as well' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l format -d 'The format of the image\'s manifest: oci or docker (default oci)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l from -d 'The image of the first FROM, in place of that in the Dockerfile' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l identity-label -d 'No image has a label with the builder\'s version' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l ignorefile -d 'The list of ignored files, in place of .dockerignore' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l iidfile -d 'Write the id of the image to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l inherit-labels -d 'Whether the image has the labels of its base (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l jobs -d 'How many stages are built at the same time (default all that do not wait for each other)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l label -d 'Add a label to the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l layers -d 'Whether each step has a layer and a record in the build cache (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l manifest -d 'Add the image to a list of images for several platforms, which is made when it is missing' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l metadata-file -d 'Write what is known of the image to a file, as JSON' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l no-cache-filter -d 'Do the steps of this stage again' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l os -d 'Build for this operating system: linux' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s o -l output -d 'Write the result somewhere: type=local|tar|oci|docker|image|registry[,dest=PATH], or a directory, or - for a tar stream on standard output' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l platform -d 'Build for this platform: os/architecture[/variant]; several make an index of images' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l progress -d 'How progress is shown: auto, plain, tty, rawjson or quiet' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l pull -d 'Ask registries for newer images: true, always, newer, missing, false or never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l provenance -d 'A record of how the image was built, which is not made: only false' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l rm -d 'Containers of steps are always removed' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l sbom -d 'A list of what is in the image, which is not made: only false' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l secret -d 'A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=VARIABLE]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l skip-unused-stages -d 'Leave out stages that the target does not need (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l source-date-epoch -d 'No time in the image is later, in seconds since 1970 (default SOURCE_DATE_EPOCH of the environment)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l ssh -d 'The socket of an agent for RUN --mount=type=ssh: default or ID[=SOCKET]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s t -l tag -d 'A name of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l target -d 'Build this stage of the Dockerfile' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l timestamp -d 'The time of the image and of all files of its new layers, in seconds since 1970' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l unsetenv -d 'Remove a variable from the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l unsetlabel -d 'Remove a label of the base from the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l variant -d 'The variant of --arch' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l no-hosts -d 'Leave /etc/hosts of the steps as the image has it'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l check -d 'Check the Dockerfile instead of building it: the same as --call=check'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l compress -d 'Nothing is sent anywhere, so that nothing is compressed'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l debug-on-error -d 'When a RUN step fails, open a shell in its files as they were before it'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l load -d 'Store the image here, which is always done'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l no-cache -d 'Do every step again, whatever is in the build cache'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l omit-history -d 'Leave out the image\'s history'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l push -d 'Send the image to the registries of its names'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Show no progress, print the id of the image only'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l rewrite-timestamp -d 'No file of the image\'s new layers is later than --source-date-epoch, which always holds'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l squash -d 'Make one layer of all new ones'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l squash-all -d 'Make one layer of all, those of the base as well'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s D -l debug -d 'Show checks that failed in full, with the lines of the Dockerfile'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from diff" -l format -d 'Format of the list: \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from diff" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from exists" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -s H -l human -d 'Print sizes and dates in human readable format' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -l platform -d 'The image must be for this platform: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -s q -l quiet -d 'Only show image IDs'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -l arch -d 'The architecture of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -s c -l change -d 'Apply a line of a Dockerfile to the image: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -s m -l message -d 'The comment in the history of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -l os -d 'The operating system of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -l platform -d 'The platform of the image: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -l variant -d 'The variant of the image\'s architecture' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Show no progress'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Format with a Go template, or \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -l platform -d 'Refuse images for another platform: os/architecture[/variant]; of images in registries, choose this one' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -s s -l size -d 'Display sizes of containers'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -l raw -d 'Print manifests as they are'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from load" -s i -l input -d 'Read from a file or directory, instead of standard input' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from load" -l platform -d 'Load only images for this platform: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from load" -s q -l quiet -d 'Show no progress'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from load" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from mount" -l format -d 'Format of the list: \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from mount" -s a -l all -d 'Mount all images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from mount" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -l filter -d 'Filter by dangling, label or until' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove all unused images, not just dangling ones'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -l build-cache -d 'Remove the build cache as well, with the directories of cache mounts'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -l external -d 'Accepted: only podman has containers of other programs in its store'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask first'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter by dangling, label, before, since, reference, until, id, containers, intermediate, readonly or manifest' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l sort -d 'Sort by created (the newest first), id, repository, size or tag' -r -f -a "created\t'The newest first'
id\t'By ID'
repository\t'By name'
size\t'The smallest first'
tag\t'By tag'"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -s a -l all -d 'Show all images, also those that others were built on (all are shown anyway)'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l digests -d 'Show digests'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l history -d 'Show in a last column the names that the image has'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Leave out the headers of a table'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Only show image IDs'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l tree -d 'Show images with their platforms below them, and what each takes unpacked and compressed'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter by dangling, label, before, since, reference, until, id, containers, intermediate, readonly or manifest' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l sort -d 'Sort by created (the newest first), id, repository, size or tag' -r -f -a "created\t'The newest first'
id\t'By ID'
repository\t'By name'
size\t'The smallest first'
tag\t'By tag'"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -s a -l all -d 'Show all images, also those that others were built on (all are shown anyway)'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l digests -d 'Show digests'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l history -d 'Show in a last column the names that the image has'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Leave out the headers of a table'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only show image IDs'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l tree -d 'Show images with their platforms below them, and what each takes unpacked and compressed'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l arch -d 'The architecture of the image, if it has several' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l disable-content-trust -d 'Pull images for which the policy demands no signature, too; that is so unless DOCKER_CONTENT_TRUST is 1' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l os -d 'The operating system of the image: coracle runs linux' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l platform -d 'The platform of the image, if it has several: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l policy -d 'When to ask the registry: always, missing, newer or never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l variant -d 'The variant of the architecture of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -s a -l all-tags -d 'Pull all tags of the repository'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -s q -l quiet -d 'Show no progress, print the name only'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l compression-format -d 'Compress all layers in this way; those that are already are not compressed again' -r -f -a "gzip\t'Every registry and tool knows it'
zstd\t'Faster to unpack'"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l compression-level -d 'Compress all layers again, with this level: gzip has 1 to 9, zstd 1 to 20' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l digestfile -d 'Write the digest of what was pushed to this file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l disable-content-trust -d 'Push without a signature; that is so unless DOCKER_CONTENT_TRUST is 1' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -s f -l format -d 'Format of the manifest, if it shall be another: oci or v2s2' -r -f -a "oci\t'The OCI image specification\'s'
v2s2\t'docker\'s schema 2'"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l platform -d 'Refuse the image if it is for another platform: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l sign-by-sigstore-private-key -d 'Sign the image with the key in this file, as cosign and skopeo make them; the signature goes to the registry' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l sign-passphrase-file -d 'File with the passphrase of that key, which is asked for otherwise' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -s a -l all-tags -d 'Push all tags that are here of the repository'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l force-compression -d 'Use no layers in the registry that are compressed otherwise: gzip, or what --compression-format says'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Show no progress'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l remove-signatures -d 'Push no signatures: coracle never does, as it keeps none'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -l platform -d 'Refuse images for another platform: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all images that no container has'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -s f -l force -d 'Remove an image with all its names, and the names of one that stopped containers use'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'Do not complain about an image that does not exist'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -l no-prune -d 'Accepted: there are no images without a name that belong to others, and would go with them'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -l platform -d 'Refuse images for another platform: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all images that no container has'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -s f -l force -d 'Remove an image with all its names, and the names of one that stopped containers use'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -s i -l ignore -d 'Do not complain about an image that does not exist'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -l no-prune -d 'Accepted: there are no images without a name that belong to others, and would go with them'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -l format -d 'The layout of the archive' -r -f -a "docker-archive\t'A tar file that every tool reads; an OCI layout, too'
oci-archive\t'An OCI layout in a tar file'
docker-dir\t'A registry\'s manifest and blobs in a directory'
oci-dir\t'An OCI layout in a directory'"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -s o -l output -d 'Write to a file or directory, instead of standard output' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -l platform -d 'Refuse images for another platform: os/architecture[/variant]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -l compress -d 'Compress layers with gzip: only with --format docker-dir'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -s m -l multi-image-archive -d 'Further arguments are images, too (always, but when called as podman: then they are names of the first)'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -s q -l quiet -d 'Show no progress (none is shown anyway)'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -l uncompressed -d 'Do not compress layers: only with the OCI formats, which otherwise do'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from scp" -s q -l quiet -d 'Show no progress, and not what was loaded'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from scp" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -s f -l filter -d 'Filter by stars, is-official or is-automated' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l limit -d 'Show at most this number of results of each registry' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l compatible -d 'Show stars, official and automated as docker does'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l list-tags -d 'List the tags of the repository that is named'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l no-trunc -d 'Don\'t truncate descriptions'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from tree" -l whatrequires -d 'Show the layers of images that were made from this one'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from tree" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from tag" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from unmount" -s a -l all -d 'Unmount all images that are mounted here'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from unmount" -s f -l force -d 'Unmount at once, however often it was mounted'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from unmount" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from umount" -s a -l all -d 'Unmount all images that are mounted here'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from umount" -s f -l force -d 'Unmount at once, however often it was mounted'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from umount" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from untag" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from trust" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from trust" -f -a "set" -d 'Take or reject images of a registry, a repository, or by default; or demand signatures'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from trust" -f -a "show" -d 'Show from which repositories images are taken'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "add" -d 'Add an image to a list'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "annotate" -d 'Change what a list says about one of its images'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "create" -d 'Make a list of images for several platforms'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "exists" -d 'Tell by the exit code whether there is a list of this name'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "inspect" -d 'Show a list, or the manifest that a registry has'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "push" -d 'Send a list and its images to a registry'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "remove" -d 'Take an image out of a list'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "rm" -d 'Remove lists; their images stay'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l annotation -d 'Add an annotation: KEY=VALUE' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l arch -d 'Set the architecture' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l features -d 'Set the features of the processor that are needed' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os -d 'Set the operating system' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os-features -d 'Set the features of the operating system that are needed' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os-version -d 'Set the version of the operating system' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l variant -d 'Set the variant of the architecture' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l all -d 'Add all images of one that is a list, instead of the one for this machine'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l annotation -d 'Add an annotation: KEY=VALUE' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l arch -d 'Set the architecture' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l features -d 'Set the features of the processor that are needed' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os -d 'Set the operating system' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os-features -d 'Set the features of the operating system that are needed' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os-version -d 'Set the version of the operating system' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l variant -d 'Set the variant of the architecture' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l index -d 'Add the annotations to the list itself'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l annotation -d 'Add an annotation to the list: KEY=VALUE' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l all -d 'Add all images of those that are lists, instead of the one for this machine'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -s a -l amend -d 'Add to a list that exists'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l insecure -d 'Allow plain HTTP and any certificate'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from exists" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l insecure -d 'Allow plain HTTP and any certificate'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -s v -l verbose -d 'Show the manifest of each image, too'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l all -d 'Send the images as well; false expects them in the registry' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l digestfile -d 'Write the digest of the list to this file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -s f -l format -d 'The format of the list; what fits its images when not given' -r -f -a "oci\t'An OCI index'
v2s2\t'docker\'s manifest list'"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l insecure -d 'Allow plain HTTP and any certificate'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -s p -l purge -l rm -d 'Remove the list here after it was sent'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Show no progress'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from remove" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'Do not fail for lists that do not exist'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from rm" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand registry; and not __fish_seen_subcommand_from serve" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand registry; and not __fish_seen_subcommand_from serve" -f -a "serve" -d 'Serve images from this machine to other programs and machines'
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l auth -d 'Ask clients for this user name and a password: that of --password-file, else a new one, which is shown' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l cache-size -d 'With --proxy: delete what was used longest ago when the cache has more than this size' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -s l -l listen -d 'Address to listen on: ADDRESS, :PORT for all addresses, or both' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l password-file -d 'File with the password for --auth' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l proxy -d 'Serve what this registry has, and keep it: a cache that clients use in its place' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l tls-cert -d 'Speak HTTPS with the certificate in this PEM file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l tls-key -d 'PEM file with the key of --tls-cert' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l upload-limit -d 'Refuse uploads when those that are not finished have more than this size together' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l tls -d 'Speak HTTPS, with a certificate that is made and kept here'
complete -c coracle -n "__fish_coracle_using_subcommand registry; and __fish_seen_subcommand_from serve" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune rm remove update" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune rm remove update" -f -a "connect" -d 'Connect a container to a network'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune rm remove update" -f -a "create" -d 'Create a network'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune rm remove update" -f -a "disconnect" -d 'Disconnect a container from a network'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune rm remove update" -f -a "exists" -d 'Check whether a network exists: exit code 0 if it does, 1 if not'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune rm remove update" -f -a "inspect" -d 'Display detailed information on one or more networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune rm remove update" -f -a "ls" -d 'List networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune rm remove update" -f -a "list" -d 'List networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune rm remove update" -f -a "prune" -d 'Remove all unused networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune rm remove update" -f -a "rm" -d 'Remove one or more networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune rm remove update" -f -a "remove" -d 'Remove one or more networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune rm remove update" -f -a "update" -d 'Change the DNS servers of a network'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -l alias -d 'Another name of the container on this network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -l driver-opt -d 'Set an option: host-loopback=BOOL' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -l gw-priority -d 'Accepted: the first network of a container has its way out' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -l ip -d 'The container\'s IPv4 address on this network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -l ip6 -d 'The container\'s IPv6 address on this network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -l link -d 'Refused: containers find each other by name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -l link-local-ip -d 'Refused: the kernel chooses link-local addresses' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -l mac-address -d 'The container\'s hardware address on this network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l aux-address -d 'Refused: keep addresses free with --ip-range' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l config-from -d 'Refused: there is no swarm' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l dns -d 'Ask these DNS servers instead of the host\'s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -s d -l driver -d 'Driver of the network: bridge' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l gateway -d 'Gateway of a subnet' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l interface-name -d 'Accepted: the bridge is in a namespace of its own, whatever its name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l ip-range -d 'Give containers addresses of this part of a subnet' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l ipam-driver -d 'How addresses are given out: default' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l ipam-opt -d 'Accepted, without a meaning' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l ipv4 -d 'IPv4 addresses' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l label -d 'Set a label' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -s o -l opt -d 'Set an option: mtu=BYTES, isolate=BOOL, host-loopback=BOOL (containers reach services that listen on this machine\'s loopback alone, which mostly trust whoever reaches them)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l route -d 'Refused: containers have a default route only' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l scope -d 'Refused: there is no swarm' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l subnet -d 'Addresses of the network, once for each family' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l attachable -d 'Accepted: every network can be attached to'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l config-only -d 'Refused: there is no swarm'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l disable-dns -d 'No names: containers do not find each other by name'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l ignore -d 'Do nothing if a network of this name exists'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l ingress -d 'Refused: there is no swarm'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l internal -d 'No way out, and none in: containers of the network reach each other alone'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l ipv6 -d 'IPv6 addresses'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from disconnect" -s f -l force -d 'Do not complain about a container that is not connected'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from disconnect" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from exists" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Format with a Go template, or \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from inspect" -s v -l verbose -d 'Accepted: everything is shown anyway'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from inspect" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter by driver, id, name, label, scope, type, dangling or until' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Leave out the headers of a table'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Only display network IDs'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter by driver, id, name, label, scope, type, dangling or until' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Leave out the headers of a table'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only display network IDs'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from prune" -l filter -d 'Filter by label or until' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask first'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from prune" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from rm" -s t -l time -d 'Accepted: containers that are removed by force are killed at once' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from rm" -s f -l force -d 'Do not complain about a network that does not exist (as podman: remove its containers first)'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from rm" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from remove" -s t -l time -d 'Accepted: containers that are removed by force are killed at once' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from remove" -s f -l force -d 'Do not complain about a network that does not exist (as podman: remove its containers first)'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from remove" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from update" -l dns-add -d 'Ask this server, too' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from update" -l dns-drop -d 'Do not ask this server any more' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from update" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount" -f -a "create" -d 'Create a volume'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount" -f -a "exists" -d 'Check whether a volume exists: exit code 0 if it does, 1 if not'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount" -f -a "export" -d 'Export a volume\'s files as a tar archive'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount" -f -a "import" -d 'Add the files of a tar archive to a volume'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount" -f -a "inspect" -d 'Display detailed information on one or more volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount" -f -a "ls" -d 'List volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount" -f -a "list" -d 'List volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount" -f -a "mount" -d 'Print where the files of volumes are: they need no mount'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount" -f -a "prune" -d 'Remove unused volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount" -f -a "rm" -d 'Remove one or more volumes that no container has'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount" -f -a "remove" -d 'Remove one or more volumes that no container has'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount" -f -a "unmount" -d 'The opposite of `volume mount`: nothing is to be unmounted'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from create" -s d -l driver -d 'Volume driver: only local exists' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from create" -s l -l label -d 'Set metadata on the volume' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from create" -l name -d 'The volume\'s name, as its argument' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from create" -s o -l opt -d 'Driver options: type=none, o=bind[,ro] and device=DIRECTORY make a directory of the host a volume; o=uid=UID,gid=GID gives it to a user of containers' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from create" -l ignore -d 'As podman: succeed if the volume exists, as docker\'s `volume create` always does'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from create" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from exists" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from export" -s o -l output -d 'Write to a file, instead of standard output' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from export" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from import" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Format with a Go template, or \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s a -l all -d 'Inspect all volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from inspect" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter by dangling, driver, label, name, opt, scope or until' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Leave out the headers of a table'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Only display volume names'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter by dangling, driver, label, name, opt, scope or until' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Leave out the headers of a table'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only display volume names'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from mount" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from prune" -l filter -d 'Filter by all, label or until' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove all unused volumes, not just anonymous ones'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask first'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from prune" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from rm" -s t -l time -d 'Accepted: containers that are removed by force are killed at once' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all volumes that no container has'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from rm" -s f -l force -d 'Do not complain about a volume that does not exist (as podman: remove its containers first)'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from rm" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from remove" -s t -l time -d 'Accepted: containers that are removed by force are killed at once' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all volumes that no container has'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from remove" -s f -l force -d 'Do not complain about a volume that does not exist (as podman: remove its containers first)'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from remove" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from unmount" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and not __fish_seen_subcommand_from create exists inspect ls list rm remove" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and not __fish_seen_subcommand_from create exists inspect ls list rm remove" -f -a "create" -d 'Create a secret from a file, from standard input (-) or from a variable'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and not __fish_seen_subcommand_from create exists inspect ls list rm remove" -f -a "exists" -d 'Check whether a secret exists: exit code 0 if it does, 1 if not'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and not __fish_seen_subcommand_from create exists inspect ls list rm remove" -f -a "inspect" -d 'Display detailed information on one or more secrets'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and not __fish_seen_subcommand_from create exists inspect ls list rm remove" -f -a "ls" -d 'List secrets'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and not __fish_seen_subcommand_from create exists inspect ls list rm remove" -f -a "list" -d 'List secrets'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and not __fish_seen_subcommand_from create exists inspect ls list rm remove" -f -a "rm" -d 'Remove one or more secrets; containers that have them keep them'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and not __fish_seen_subcommand_from create exists inspect ls list rm remove" -f -a "remove" -d 'Remove one or more secrets; containers that have them keep them'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from create" -s d -l driver -d 'Secret driver: only file exists' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from create" -l driver-opts -d 'Refused: the driver file has no options' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from create" -s l -l label -d 'Set metadata on the secret' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from create" -l env -d 'The second argument is the name of an environment variable that holds the value'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from create" -l ignore -d 'Succeed if a secret of the name exists, and leave it as it is'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from create" -l replace -d 'Give a secret of the name that exists the new value; containers that have it keep the old one'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from create" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from exists" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Format with a Go template, or \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from inspect" -l pretty -d 'Print it for people to read'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from inspect" -l showsecret -d 'Show the value, too'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from inspect" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter by id, label or name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from ls" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Leave out the headers of a table'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Only display IDs'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from ls" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter by id, label or name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from list" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Leave out the headers of a table'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only display IDs'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from list" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all secrets'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'Do not complain about a secret that does not exist'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from rm" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all secrets'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from remove" -s i -l ignore -d 'Do not complain about a secret that does not exist'
complete -c coracle -n "__fish_coracle_using_subcommand secret; and __fish_seen_subcommand_from remove" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -l ansi -d 'When to use colors and other codes of terminals: never, always or auto' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -l env-file -d 'Read variables from this file instead of .env' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -s f -l file -d 'Read this compose file; with several, later ones are merged onto earlier ones; \'-\' is standard input' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -l parallel -d 'The most things to do at a time; -1 for as many as there are' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -l profile -d 'Enable the services of this profile; \'*\' enables all' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -l progress -d 'How progress is shown: auto, tty, plain, json or quiet' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -l project-directory -d 'Directory that relative paths start from (default: that of the first compose file)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -s p -l project-name -d 'Name of the project (default: the files\' `name`, or that of the directory)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -l all-resources -d 'Include what no service uses'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -l compatibility -d 'Accepted: names are those of docker compose'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -l dry-run -d 'Say what would be done, and do nothing'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "attach" -d 'Attach to the streams of a running container of a service'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "build" -d 'Build the images of services'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "commit" -d 'Make an image of the changes of a container of a service'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "config" -d 'Check compose files and print the project in canonical form'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "convert" -d 'Check compose files and print the project in canonical form'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "cp" -d 'Copy files between the containers of a service and the host'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "create" -d 'Create the containers of a project without starting them'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "down" -d 'Stop and remove the containers and networks of a project'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "events" -d 'Show what happens to the containers of a project'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "exec" -d 'Execute a command in a running container of a service'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "export" -d 'Export the files of a container of a service as a tar archive'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "images" -d 'List the images of the containers of a project'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "kill" -d 'Send a signal to the containers of services'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "logs" -d 'Show the output of the containers of a project'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "ls" -d 'List projects'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "pause" -d 'Freeze the containers of services'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "port" -d 'Print where a port of a service is published'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "ps" -d 'List the containers of a project'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "pull" -d 'Pull the images of services'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "push" -d 'Push the images of services that are built'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "restart" -d 'Restart the containers of services'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "rm" -d 'Remove the stopped containers of services'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "run" -d 'Run a command in a container of its own of a service'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "scale" -d 'Set the number of containers of services'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "start" -d 'Start the containers of services'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "stats" -d 'Display what the containers of services use of the machine'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "stop" -d 'Stop the containers of services'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "top" -d 'List the processes of services'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "unpause" -d 'Let frozen containers of services go on'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "up" -d 'Create and start the containers of a project'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "version" -d 'Show the version of docker compose whose behaviour this is'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "volumes" -d 'List the volumes of a project'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "wait" -d 'Wait until the containers of services have ended'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and not __fish_seen_subcommand_from attach build commit config convert cp create down events exec export images kill logs ls pause port ps pull push restart rm run scale start stats stop top unpause up version volumes wait watch" -f -a "watch" -d 'Have containers follow the files of the project'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from attach" -l detach-keys -d 'Keys that detach from the container: characters and ctrl-<letter>, separated by commas' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from attach" -l index -d 'The number of the container, if the service has several' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from attach" -l sig-proxy -d 'Pass signals on to the process' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from attach" -l no-stdin -d 'Do not attach standard input'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from attach" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from build" -l build-arg -d 'Set an ARG of the Dockerfile; without a value, from the environment' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from build" -l ssh -d 'The socket of an agent for RUN --mount=type=ssh: default or ID[=SOCKET]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from build" -l no-cache -d 'Do every step again, whatever is in the build cache'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from build" -l pull -d 'Ask registries for newer images'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from build" -l push -d 'Push the images when they are built'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Show no progress'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from build" -l with-dependencies -d 'Build the images of services that the named ones depend on, too'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from build" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from commit" -s a -l author -d 'The author' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from commit" -s c -l change -d 'Apply an instruction of a Dockerfile to the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from commit" -l index -d 'The number of the container, if the service has several' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from commit" -s m -l message -d 'What it is' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from commit" -s p -l pause -d 'Freeze the container meanwhile' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from commit" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l format -d 'Print as yaml or json' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l hash -d 'Print the hash of this service\'s configuration; \'*\' prints those of all, or name several with commas' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -s o -l output -d 'Write to this file instead of standard output' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l environment -d 'Print the variables that values are expanded with'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l images -d 'Print the names of images'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l models -d 'Print the names of models'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l networks -d 'Print the names of networks'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l no-consistency -d 'Do not check that what services refer to is there'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l no-env-resolution -d 'Do not read the files that env_file and label_file name'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l no-interpolate -d 'Do not replace variables'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l no-normalize -d 'Do not add what follows from the rest, as default networks and full names'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l no-path-resolution -d 'Do not make paths absolute'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l profiles -d 'Print the names of profiles'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -s q -l quiet -d 'Only check, print nothing'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l services -d 'Print the names of services, each after those that it depends on'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l variables -d 'Print the variables that the files name, and their defaults'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l volumes -d 'Print the names of volumes'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from config" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l format -d 'Print as yaml or json' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l hash -d 'Print the hash of this service\'s configuration; \'*\' prints those of all, or name several with commas' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -s o -l output -d 'Write to this file instead of standard output' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l environment -d 'Print the variables that values are expanded with'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l images -d 'Print the names of images'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l models -d 'Print the names of models'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l networks -d 'Print the names of networks'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l no-consistency -d 'Do not check that what services refer to is there'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l no-env-resolution -d 'Do not read the files that env_file and label_file name'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l no-interpolate -d 'Do not replace variables'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l no-normalize -d 'Do not add what follows from the rest, as default networks and full names'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l no-path-resolution -d 'Do not make paths absolute'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l profiles -d 'Print the names of profiles'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -s q -l quiet -d 'Only check, print nothing'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l services -d 'Print the names of services, each after those that it depends on'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l variables -d 'Print the variables that the files name, and their defaults'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l volumes -d 'Print the names of volumes'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from convert" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from cp" -l index -d 'The number of the container, if the service has several' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from cp" -l all -d 'Containers of `compose run`, too'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from cp" -s a -l archive -d 'Keep the user and group numbers of what is copied into a container'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from cp" -s L -l follow-link -d 'Copy what a link at the end of SOURCE leads to, instead of the link'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from cp" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from create" -l pull -d 'Pull images before containers are created: always, missing, never or build' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from create" -l scale -d 'The number of containers of a service: SERVICE=NUMBER' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from create" -l build -d 'Build images before containers are created'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from create" -l force-recreate -d 'Recreate containers even if they are as the files say'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from create" -l no-build -d 'Do not build an image, even if it is missing'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from create" -l no-recreate -d 'Keep containers that exist, even if they are not as the files say'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from create" -l quiet-pull -d 'Show no progress of pulls'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from create" -l remove-orphans -d 'Remove containers of services that the files do not have'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from create" -s y -l yes -d 'Do what a question would ask: nothing is asked'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from create" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from down" -l rmi -d 'Remove images: local (those without a name of their own) or all' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from down" -s t -l timeout -d 'Seconds until SIGKILL' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from down" -l remove-orphans -d 'Remove containers of services that the files do not have'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from down" -s v -l volumes -d 'Remove the named volumes of the project, and the anonymous ones of its containers'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from down" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from events" -l since -d 'Show events since a time (2026-11-21T09:30:00Z) or a duration ago (10m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from events" -l until -d 'Show events until a time or a duration ago, and end then' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from events" -l json -d 'Show each event as an object'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from events" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from exec" -s e -l env -d 'Set an environment variable; a bare NAME is passed on' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from exec" -l index -d 'The number of the container, if the service has several' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from exec" -s i -l interactive -d 'Keep standard input open' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from exec" -s u -l user -d 'User name or ID, and optionally group: user[:group]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from exec" -s w -l workdir -d 'The working directory inside the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from exec" -s d -l detach -d 'Run the command in the background'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from exec" -s T -l no-tty -d 'Allocate no pseudo-terminal'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from exec" -s t -l tty -d 'Accepted: a terminal is allocated where there is one'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from exec" -l privileged -d 'Take off the limits on what the command may do within the container\'s user namespace'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from exec" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from export" -l index -d 'The number of the container, if the service has several' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from export" -s o -l output -d 'Write to a file instead of standard output' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from export" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from images" -l format -d 'Show as a table or as json' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from images" -s q -l quiet -d 'Only display IDs or names'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from images" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from kill" -s s -l signal -d 'The signal' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from kill" -l remove-orphans -d 'Kill containers of services that the files do not have, too'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from kill" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from logs" -l index -d 'Only the container with this number of each service' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from logs" -l since -d 'Show logs since a time (2026-11-21T09:30:00Z) or a duration ago (10m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from logs" -s n -l tail -d 'Number of lines to show from the end of each container\'s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from logs" -l until -d 'Show logs until a time (2026-11-21T09:30:00Z) or a duration ago (10m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on with what comes, until all containers have ended'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from logs" -l no-color -d 'Show output without colors'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from logs" -l no-log-prefix -d 'Do not show which container output is from'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from logs" -s t -l timestamps -d 'Show the time of each line'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from logs" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ls" -l filter -d 'Only projects whose name has this: name=NAME' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ls" -l format -d 'Show as a table or as json' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ls" -s a -l all -d 'Show projects that do not run, too'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Only display names'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ls" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from pause" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from port" -l index -d 'The number of the container, if the service has several' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from port" -l protocol -d 'tcp or udp' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from port" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ps" -l filter -d 'Only containers with this status: status=STATUS' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ps" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ps" -l orphans -d 'Include services that the files do not have' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ps" -l status -d 'Only containers with this status: paused, restarting, removing, running, dead, created or exited' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ps" -s a -l all -d 'Show containers that do not run, and those of `compose run`, too'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ps" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ps" -s q -l quiet -d 'Only display IDs'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ps" -l services -d 'Display the names of services'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from ps" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from pull" -l policy -d 'When to ask the registry: missing or always' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from pull" -l ignore-buildable -d 'Leave out images that can be built'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from pull" -l ignore-pull-failures -d 'Go on when an image cannot be pulled'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from pull" -l include-deps -d 'Pull the images of services that the named ones depend on, too'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from pull" -s q -l quiet -d 'Show no progress'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from pull" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from push" -l ignore-push-failures -d 'Go on when an image cannot be pushed'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from push" -l include-deps -d 'Push the images of services that the named ones depend on, too'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Show no progress'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from push" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from restart" -s t -l timeout -d 'Seconds until SIGKILL' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from restart" -l no-deps -d 'Do not restart services that depend on the named ones'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from restart" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from rm" -s f -l force -d 'Do not ask'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from rm" -s s -l stop -d 'Stop the containers first'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from rm" -s v -l volumes -d 'Remove their anonymous volumes, too'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from rm" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l cap-add -d 'Add a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l cap-drop -d 'Drop a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l entrypoint -d 'Another entrypoint' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -s e -l env -d 'Set an environment variable; a bare NAME is passed on' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l env-from-file -d 'Read environment variables from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -s i -l interactive -d 'Keep standard input open' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -s l -l label -d 'Set a label on the container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l name -d 'Give the container a name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -s p -l publish -d 'Publish a port of the container on this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l pull -d 'Pull the image before: always, missing or never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -s u -l user -d 'User name or ID, and optionally group: user[:group]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -s v -l volume -d 'Bind mount a path of this machine, or mount a volume' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -s w -l workdir -d 'The working directory' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l build -d 'Build the image before'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -s d -l detach -d 'Run in the background and print the container\'s name'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -s T -l no-tty -d 'Allocate no pseudo-terminal'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -s t -l tty -d 'Accepted: a terminal is allocated where there is one'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l no-deps -d 'Do not start services that this one depends on'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -s q -l quiet -d 'Show no progress'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l quiet-build -d 'Show no progress of builds'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l quiet-pull -d 'Show no progress of pulls'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l remove-orphans -d 'Remove containers of services that the files do not have'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l rm -d 'Remove the container when it ends'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -s P -l service-ports -d 'Publish the ports of the service'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l use-aliases -d 'Let the container be known by the names of the service'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from run" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from scale" -l no-deps -d 'Leave services alone that the named ones depend on'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from scale" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from start" -l wait-timeout -d 'Seconds for that' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from start" -l wait -d 'Wait until all containers run, and are healthy'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from start" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from stats" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from stats" -s a -l all -d 'Show containers that do not run, too'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from stats" -l no-stream -d 'Show one sample and end'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from stats" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from stats" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from stop" -s t -l timeout -d 'Seconds until SIGKILL' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from stop" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from top" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from unpause" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l pull -d 'Pull images before containers are created: always, missing, never or build' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l scale -d 'The number of containers of a service: SERVICE=NUMBER' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l attach -d 'Show the output of this service only' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l exit-code-from -d 'Exit as the container of this service does, and stop all others then' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l menu -d 'Accepted: there is no menu' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l no-attach -d 'Do not show the output of this service' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -s t -l timeout -d 'Seconds until SIGKILL when containers are stopped' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l wait-timeout -d 'Seconds for that' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l build -d 'Build images before containers are created'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l force-recreate -d 'Recreate containers even if they are as the files say'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l no-build -d 'Do not build an image, even if it is missing'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l no-recreate -d 'Keep containers that exist, even if they are not as the files say'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l quiet-pull -d 'Show no progress of pulls'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l remove-orphans -d 'Remove containers of services that the files do not have'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -s y -l yes -d 'Do what a question would ask: nothing is asked'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l abort-on-container-exit -d 'Stop all containers when one has ended'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l abort-on-container-failure -d 'Stop all containers when one has failed'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l always-recreate-deps -d 'Recreate services that the named ones depend on, too'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l attach-dependencies -d 'Show the output of services that the named ones depend on, too'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -s d -l detach -d 'Run containers in the background'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l no-color -d 'Show output without colors'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l no-deps -d 'Leave services alone that the named ones depend on'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l no-log-prefix -d 'Do not show which container output is from'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l no-start -d 'Create containers and do not start them'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -s V -l renew-anon-volumes -d 'Make anonymous volumes anew instead of keeping those of former containers'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l timestamps -d 'Show the time of each line'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l wait -d 'Wait until all containers run, and are healthy; in the background'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from up" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from version" -s f -l format -d 'pretty or json' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from version" -l short -d 'Only the number'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from version" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from volumes" -l format -d 'Show as a table or as json' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from volumes" -s q -l quiet -d 'Only display IDs or names'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from volumes" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from wait" -l down-project -d 'Take the project down when the first container has ended'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from wait" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from watch" -l prune -d 'Accepted: images that are not used any more stay' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from watch" -l no-up -d 'Do not build and start services before'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from watch" -l quiet -d 'Show no progress of builds'
complete -c coracle -n "__fish_coracle_using_subcommand compose; and __fish_seen_subcommand_from watch" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "create" -d 'Create a pod: containers will share its network and more'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "exists" -d 'Tell by the exit code whether there is a pod'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "inspect" -d 'Display what is known of one or more pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "kill" -d 'Send a signal to the containers of one or more pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "logs" -d 'Fetch the logs of the containers of a pod'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "pause" -d 'Pause all processes of one or more pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "prune" -d 'Remove all pods that do not run, with their containers'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "ps" -d 'List pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "ls" -d 'List pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "list" -d 'List pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "restart" -d 'Restart one or more pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "rm" -d 'Remove one or more pods with their containers'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "start" -d 'Start one or more pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "stats" -d 'Display what the containers of pods use of the machine'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "stop" -d 'Stop one or more pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "top" -d 'Display the running processes of the containers of a pod'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from create exists inspect kill logs pause prune ps ls list restart rm start stats stop top unpause" -f -a "unpause" -d 'Let all processes of one or more pods go on'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l exit-policy -d 'What follows when the last container has ended: continue, or stop the infra container, too' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -s h -l hostname -d 'The host name of the pod\'s containers' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l infra -d 'Make a container that holds the shared namespaces' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l infra-name -d 'The name of that container' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -s l -l label -d 'Set a label on the pod' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l label-file -d 'Read labels from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -s n -l name -d 'Give the pod a name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l pod-id-file -d 'Write the pod\'s ID to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l restart -d 'The restart policy of containers that have none of their own: no, on-failure[:COUNT], always or unless-stopped' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l share -d 'The namespaces to share: cgroup, ipc, net, pid, uts, or none; with + before them, besides the usual ones' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l shm-size -d 'Size of /dev/shm that the containers share' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l cgroupns -d 'Whose control groups the container sees: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l gidmap -d 'Map group IDs, as --uidmap does user IDs' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l ipc -d 'With whom the container shares memory (/dev/shm) and queues: private, shareable, none, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l ip -d 'The container\'s IPv4 address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l ip6 -d 'The container\'s IPv6 address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l mac-address -d 'The container\'s hardware address' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l network -d 'The network to join: a network, bridge, host, none, container:NAME or ns:PATH; NETWORK:host-loopback lets it reach services that listen on this machine\'s loopback alone, which mostly trust whoever reaches them' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l network-alias -d 'Another name of the container on its network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l pid -d 'Which processes the container sees: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l uidmap -d 'Map user IDs: CONTAINER:FROM[:AMOUNT], FROM among the user\'s subordinate IDs, or of the host with @' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l userns -d 'Whose IDs the container has: host, keep-id[:uid=UID,gid=GID], nomap, auto[:size=SIZE], container:NAME, ns:PATH, or auto-own (its user is you where a directory of yours is mounted)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l uts -d 'Whose host name the container has: private, host, container:NAME or ns:PATH' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l add-host -d 'Add a name to /etc/hosts: NAME[;NAME…]:ADDRESS, or :host-gateway for this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l dns -d 'Ask this DNS server' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l dns-option -d 'Set an option of resolv.conf' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l dns-search -d 'Complete names with this domain; `.` for none' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l expose -d 'Say that a port is listened on, without publishing it' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l low-ports -d 'Host ports that need privileges: refuse them, or remap them to the same number + 8000 (default refuse, or as in config.toml)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l net-rate -d 'How fast each interface may send, and receive: bits a second (10mbit, 1gbit) or bytes a second (500k, 2m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -s p -l publish -d 'Publish a port of the container on this machine' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l replace -d 'Remove a pod of the same name first'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l no-hosts -d 'Leave /etc/hosts as the image has it'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -s P -l publish-all -d 'Publish all exposed ports on free ports of this machine'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from create" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from exists" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Format with a Go template, or \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from inspect" -s l -l latest -d 'The pod that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from inspect" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from kill" -s s -l signal -d 'The signal, by name or number' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from kill" -s a -l all -d 'All pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from kill" -s l -l latest -d 'The pod that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from kill" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from logs" -s c -l container -d 'Show the logs of this container of the pod alone' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from logs" -l since -d 'Show logs since a time (2026-11-21T09:30:00Z) or a duration ago (10m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from logs" -s n -l tail -d 'Number of lines to show from the end' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from logs" -l until -d 'Show logs until a time (2026-11-21T09:30:00Z) or a duration ago (10m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from logs" -l color -d 'Show the container of each line in a color of its own, with several containers'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from logs" -l details -d 'Show what the log driver was told to add to each line: the tag, labels and variables'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on with what comes, until the container ends'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from logs" -s l -l latest -d 'The container that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from logs" -l names -d 'Show the names of several containers instead of their IDs'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from logs" -s t -l timestamps -d 'Show the time of each line'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from logs" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from pause" -s a -l all -d 'All pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from pause" -s l -l latest -d 'The pod that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from pause" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask first'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from prune" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -s f -l filter -d 'Filter by id, name, label, status, ctr-ids, ctr-names, ctr-number, ctr-status, network or until' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l format -d 'Format with a Go template: \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l sort -d 'Sort by created, id, name, number or status' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l ctr-ids -d 'Show the IDs of the containers'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l ctr-names -d 'Show the names of the containers'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l ctr-status -d 'Show what the containers do'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -s l -l latest -d 'Show only the pod that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -s n -l noheading -d 'Leave the header line out'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l ns -d 'Show the numbers of the namespaces that are shared'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -s q -l quiet -d 'Only display pod IDs'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter by id, name, label, status, ctr-ids, ctr-names, ctr-number, ctr-status, network or until' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l format -d 'Format with a Go template: \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l sort -d 'Sort by created, id, name, number or status' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l ctr-ids -d 'Show the IDs of the containers'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l ctr-names -d 'Show the names of the containers'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l ctr-status -d 'Show what the containers do'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -s l -l latest -d 'Show only the pod that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Leave the header line out'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l ns -d 'Show the numbers of the namespaces that are shared'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Only display pod IDs'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter by id, name, label, status, ctr-ids, ctr-names, ctr-number, ctr-status, network or until' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l format -d 'Format with a Go template: \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l sort -d 'Sort by created, id, name, number or status' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l ctr-ids -d 'Show the IDs of the containers'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l ctr-names -d 'Show the names of the containers'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l ctr-status -d 'Show what the containers do'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -s l -l latest -d 'Show only the pod that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l no-trunc -d 'Don\'t truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Leave the header line out'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l ns -d 'Show the numbers of the namespaces that are shared'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only display pod IDs'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from restart" -s a -l all -d 'All pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from restart" -s l -l latest -d 'The pod that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from restart" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from rm" -l pod-id-file -d 'Read a pod\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from rm" -s t -l time -d 'Seconds to wait before a container is killed; needs --force' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from rm" -s a -l all -d 'All pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from rm" -s l -l latest -d 'The pod that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from rm" -s f -l force -d 'Stop the containers first that run'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'It does not matter that a pod is missing'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from rm" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from start" -l pod-id-file -d 'Read a pod\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from start" -s a -l all -d 'All pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from start" -s l -l latest -d 'The pod that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from start" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from stats" -l format -d 'Format with a Go template: \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from stats" -s a -l all -d 'The containers of all pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from stats" -s l -l latest -d 'The pod that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from stats" -l no-reset -d 'Do not clear the terminal between two looks'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from stats" -l no-stream -d 'Look once'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from stats" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from stop" -l pod-id-file -d 'Read a pod\'s ID from a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from stop" -s t -l time -d 'Seconds to wait before a container is killed; each container\'s own when not given' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from stop" -s a -l all -d 'All pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from stop" -s l -l latest -d 'The pod that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from stop" -s i -l ignore -d 'It does not matter that a pod is missing'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from stop" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from top" -s l -l latest -d 'The pod that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from top" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from unpause" -s a -l all -d 'All pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from unpause" -s l -l latest -d 'The pod that was created last'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from unpause" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and not __fish_seen_subcommand_from check generate install ls list print rm remove" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and not __fish_seen_subcommand_from check generate install ls list print rm remove" -f -a "check" -d 'Look for mistakes in Quadlet files, and name their lines'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and not __fish_seen_subcommand_from check generate install ls list print rm remove" -f -a "generate" -d 'Make systemd units of the Quadlet files, as systemd does at login'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and not __fish_seen_subcommand_from check generate install ls list print rm remove" -f -a "install" -d 'Install Quadlet files for the user'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and not __fish_seen_subcommand_from check generate install ls list print rm remove" -f -a "ls" -d 'List Quadlet files and their units'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and not __fish_seen_subcommand_from check generate install ls list print rm remove" -f -a "list" -d 'List Quadlet files and their units'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and not __fish_seen_subcommand_from check generate install ls list print rm remove" -f -a "print" -d 'Show the text of a Quadlet file'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and not __fish_seen_subcommand_from check generate install ls list print rm remove" -f -a "rm" -d 'Remove installed Quadlet files'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and not __fish_seen_subcommand_from check generate install ls list print rm remove" -f -a "remove" -d 'Remove installed Quadlet files'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from check" -l format -d 'How to show the findings: \'json\' for programs' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from check" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from generate" -l dry-run -d 'Print the units instead of writing them'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from generate" -l session -d 'Write the units for this session, have systemd read them, and start what is to be started with the session'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from generate" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from install" -l reload-systemd -d 'Have systemd read the files' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from install" -s r -l replace -d 'Replace files of the same name'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from install" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter by name, with * and ?' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from ls" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Leave out the headers of a table'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Only display the names of the files'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from ls" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter by name, with * and ?' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from list" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Leave out the headers of a table'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only display the names of the files'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from list" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from print" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from rm" -l reload-systemd -d 'Have systemd notice that the files are gone' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all of the user\'s files'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from rm" -s f -l force -d 'Stop services that run, and remove their files'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'It does not matter that a file is missing'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from rm" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from remove" -l reload-systemd -d 'Have systemd notice that the files are gone' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all of the user\'s files'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from remove" -s f -l force -d 'Stop services that run, and remove their files'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from remove" -s i -l ignore -d 'It does not matter that a file is missing'
complete -c coracle -n "__fish_coracle_using_subcommand quadlet; and __fish_seen_subcommand_from remove" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand config; and not __fish_seen_subcommand_from edit get set show" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand config; and not __fish_seen_subcommand_from edit get set show" -f -a "edit" -d 'Edit the configuration with $VISUAL or $EDITOR'
complete -c coracle -n "__fish_coracle_using_subcommand config; and not __fish_seen_subcommand_from edit get set show" -f -a "get" -d 'Show the value of a key'
complete -c coracle -n "__fish_coracle_using_subcommand config; and not __fish_seen_subcommand_from edit get set show" -f -a "set" -d 'Set a key of the configuration'
complete -c coracle -n "__fish_coracle_using_subcommand config; and not __fish_seen_subcommand_from edit get set show" -f -a "show" -d 'Show what is configured, and where'
complete -c coracle -n "__fish_coracle_using_subcommand config; and __fish_seen_subcommand_from edit" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand config; and __fish_seen_subcommand_from get" -l origin -d 'Show where the value comes from'
complete -c coracle -n "__fish_coracle_using_subcommand config; and __fish_seen_subcommand_from get" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand config; and __fish_seen_subcommand_from set" -l unset -d 'Remove the key'
complete -c coracle -n "__fish_coracle_using_subcommand config; and __fish_seen_subcommand_from set" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand config; and __fish_seen_subcommand_from show" -l format -d 'How to show it: \'json\' for programs' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand config; and __fish_seen_subcommand_from show" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand generate; and not __fish_seen_subcommand_from systemd" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand generate; and not __fish_seen_subcommand_from systemd" -f -a "systemd" -d 'Make a systemd unit that starts a container'
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l after -d 'Start these units before' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l container-prefix -d 'What the name of the unit begins with' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -s e -l env -d 'Set a variable in the service' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l requires -d 'Fail if these units are not started' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l restart-policy -d 'When systemd starts it again: no, on-success, on-failure, on-abnormal, on-watchdog, on-abort or always' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l restart-sec -d 'Seconds before systemd starts it again' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l separator -d 'What stands between the prefix and the name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l start-timeout -d 'Seconds that the start may take' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -s t -l stop-timeout -l time -d 'Seconds that the container has to stop' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l wants -d 'Start these units too' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -s f -l files -d 'Write the unit into the working directory, and print its path'
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -s n -l name -d 'Use the container\'s name instead of its id'
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l new -d 'Have the unit make a new container at each start: refused, that is what Quadlet files are for'
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l no-header -d 'Leave out the comment with version and time'
complete -c coracle -n "__fish_coracle_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand healthcheck; and not __fish_seen_subcommand_from run" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand healthcheck; and not __fish_seen_subcommand_from run" -f -a "run" -d 'Run the health check of a container'
complete -c coracle -n "__fish_coracle_using_subcommand healthcheck; and __fish_seen_subcommand_from run" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and not __fish_seen_subcommand_from build prune" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and not __fish_seen_subcommand_from build prune" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and not __fish_seen_subcommand_from build prune" -f -a "prune" -d 'Empty the build cache'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l add-host -d 'Add a name to /etc/hosts of the steps: NAME:ADDRESS' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cap-add -d 'Give the steps a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cap-drop -d 'Take a Linux capability from the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cgroup-parent -d 'The control group above those of the steps: a slice of systemd, or a path' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cgroupns -d 'Whose control groups the steps see: private or host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cpu-period -d 'The period of --cpu-quota in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cpu-quota -d 'Processor time of a step in each period, in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s c -l cpu-shares -d 'A step\'s share of processor time; 1024 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cpuset-cpus -d 'The processors that steps may run on: 0-2,4' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cpuset-mems -d 'The memory nodes that steps may use: 0,1' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l device -d 'Give the steps a device of the host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l dns -d 'A DNS server for the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l dns-option -d 'An option of the steps\' resolv.conf' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l dns-search -d 'Complete names with this domain in the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l http-proxy -d 'Give the steps this machine\'s proxy variables (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l isolation -d 'How steps are confined: default or oci, which is as containers are' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s m -l memory -d 'How much memory a step may use' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l memory-swap -d 'Memory and swap of a step together; -1 for no limit of swap' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l network -d 'The network of the steps: default, none, host or the name of a network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l security-opt -d 'Security options of the steps: no-new-privileges, seccomp=FILE|unconfined, mask=PATH, unmask=PATH|ALL, label=…, apparmor=unconfined' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l shm-size -d 'Size of /dev/shm of the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l ulimit -d 'A resource limit of each process of the steps: NAME=SOFT[:HARD]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l userns -d 'Whose ids the steps have: host, keep-id, nomap or auto' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s v -l volume -d 'Mount a directory of this machine in each step: SOURCE:TARGET[:OPTIONS]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l allow -d 'Allow steps more than usual: network.host, for RUN --network=host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l annotation -d 'Add an annotation to the manifest of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l arch -d 'Build for this architecture, on Linux' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l attest -d 'Attestations of the image, which are not made: only type=provenance|sbom,disabled=true' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l build-arg -d 'Set an ARG of the Dockerfile; without a value, from the environment' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l build-arg-file -d 'Read build arguments from a file with a NAME=VALUE on each line' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l build-context -d 'A directory, archive, git repository, image (docker-image://NAME, oci-layout://DIRECTORY) or stage (target:NAME) that FROM and --from know by a name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l builder -d 'The builder: there is one, called default' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cache-from -d 'Take steps from the build cache of an image or a directory: type=registry,ref=NAME, type=local,src=DIRECTORY, or NAME' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cache-to -d 'Keep steps for other machines: type=registry,ref=NAME, type=local,dest=DIRECTORY or type=inline, with mode=max for those of all stages' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l call -d 'Do something else than build: check the Dockerfile, outline what a target takes, or list the targets' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l disable-content-trust -d 'Accepted as docker\'s old flag; signatures are checked as the policy says' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l env -d 'Add a variable to the image; without a value, from the environment' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s f -l file -d 'The Dockerfile; - for standard input (default Dockerfile in the context)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l force-rm -d 'Containers of steps are always removed, those of failed ones as well' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l format -d 'The format of the image\'s manifest: oci or docker (default oci)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l from -d 'The image of the first FROM, in place of that in the Dockerfile' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l identity-label -d 'No image has a label with the builder\'s version' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l ignorefile -d 'The list of ignored files, in place of .dockerignore' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l iidfile -d 'Write the id of the image to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l inherit-labels -d 'Whether the image has the labels of its base (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l jobs -d 'How many stages are built at the same time (default all that do not wait for each other)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l label -d 'Add a label to the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l layers -d 'Whether each step has a layer and a record in the build cache (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l manifest -d 'Add the image to a list of images for several platforms, which is made when it is missing' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l metadata-file -d 'Write what is known of the image to a file, as JSON' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l no-cache-filter -d 'Do the steps of this stage again' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l os -d 'Build for this operating system: linux' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s o -l output -d 'Write the result somewhere: type=local|tar|oci|docker|image|registry[,dest=PATH], or a directory, or - for a tar stream on standard output' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l platform -d 'Build for this platform: os/architecture[/variant]; several make an index of images' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l progress -d 'How progress is shown: auto, plain, tty, rawjson or quiet' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l pull -d 'Ask registries for newer images: true, always, newer, missing, false or never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l provenance -d 'A record of how the image was built, which is not made: only false' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l rm -d 'Containers of steps are always removed' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l sbom -d 'A list of what is in the image, which is not made: only false' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l secret -d 'A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=VARIABLE]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l skip-unused-stages -d 'Leave out stages that the target does not need (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l source-date-epoch -d 'No time in the image is later, in seconds since 1970 (default SOURCE_DATE_EPOCH of the environment)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l ssh -d 'The socket of an agent for RUN --mount=type=ssh: default or ID[=SOCKET]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s t -l tag -d 'A name of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l target -d 'Build this stage of the Dockerfile' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l timestamp -d 'The time of the image and of all files of its new layers, in seconds since 1970' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l unsetenv -d 'Remove a variable from the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l unsetlabel -d 'Remove a label of the base from the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l variant -d 'The variant of --arch' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l no-hosts -d 'Leave /etc/hosts of the steps as the image has it'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l check -d 'Check the Dockerfile instead of building it: the same as --call=check'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l compress -d 'Nothing is sent anywhere, so that nothing is compressed'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l debug-on-error -d 'When a RUN step fails, open a shell in its files as they were before it'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l load -d 'Store the image here, which is always done'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l no-cache -d 'Do every step again, whatever is in the build cache'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l omit-history -d 'Leave out the image\'s history'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l push -d 'Send the image to the registries of its names'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Show no progress, print the id of the image only'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l rewrite-timestamp -d 'No file of the image\'s new layers is later than --source-date-epoch, which always holds'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l squash -d 'Make one layer of all new ones'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l squash-all -d 'Make one layer of all, those of the base as well'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s D -l debug -d 'Show checks that failed in full, with the lines of the Dockerfile'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from prune" -l filter -d 'Filter by until: what was not used for so long' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from prune" -l keep-storage -l reserved-space -l max-used-space -d 'Keep what was used last, up to this size' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove what images use as well, and the directories of cache mounts'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask first'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from prune" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and not __fish_seen_subcommand_from build b du inspect ls prune version imagetools" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and not __fish_seen_subcommand_from build b du inspect ls prune version imagetools" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and not __fish_seen_subcommand_from build b du inspect ls prune version imagetools" -f -a "b" -d 'Build an image from a Dockerfile'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and not __fish_seen_subcommand_from build b du inspect ls prune version imagetools" -f -a "du" -d 'Show what the build cache holds'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and not __fish_seen_subcommand_from build b du inspect ls prune version imagetools" -f -a "inspect" -d 'Show the builder'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and not __fish_seen_subcommand_from build b du inspect ls prune version imagetools" -f -a "ls" -d 'List builders: there is one'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and not __fish_seen_subcommand_from build b du inspect ls prune version imagetools" -f -a "prune" -d 'Empty the build cache'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and not __fish_seen_subcommand_from build b du inspect ls prune version imagetools" -f -a "version" -d 'Show the version of the builder'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and not __fish_seen_subcommand_from build b du inspect ls prune version imagetools" -f -a "imagetools" -d 'Make and show indexes in registries'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l add-host -d 'Add a name to /etc/hosts of the steps: NAME:ADDRESS' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cap-add -d 'Give the steps a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cap-drop -d 'Take a Linux capability from the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cgroup-parent -d 'The control group above those of the steps: a slice of systemd, or a path' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cgroupns -d 'Whose control groups the steps see: private or host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cpu-period -d 'The period of --cpu-quota in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cpu-quota -d 'Processor time of a step in each period, in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -s c -l cpu-shares -d 'A step\'s share of processor time; 1024 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cpuset-cpus -d 'The processors that steps may run on: 0-2,4' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cpuset-mems -d 'The memory nodes that steps may use: 0,1' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l device -d 'Give the steps a device of the host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l dns -d 'A DNS server for the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l dns-option -d 'An option of the steps\' resolv.conf' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l dns-search -d 'Complete names with this domain in the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l http-proxy -d 'Give the steps this machine\'s proxy variables (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l isolation -d 'How steps are confined: default or oci, which is as containers are' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -s m -l memory -d 'How much memory a step may use' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l memory-swap -d 'Memory and swap of a step together; -1 for no limit of swap' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l network -d 'The network of the steps: default, none, host or the name of a network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l security-opt -d 'Security options of the steps: no-new-privileges, seccomp=FILE|unconfined, mask=PATH, unmask=PATH|ALL, label=…, apparmor=unconfined' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l shm-size -d 'Size of /dev/shm of the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l ulimit -d 'A resource limit of each process of the steps: NAME=SOFT[:HARD]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l userns -d 'Whose ids the steps have: host, keep-id, nomap or auto' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -s v -l volume -d 'Mount a directory of this machine in each step: SOURCE:TARGET[:OPTIONS]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l allow -d 'Allow steps more than usual: network.host, for RUN --network=host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l annotation -d 'Add an annotation to the manifest of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l arch -d 'Build for this architecture, on Linux' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l attest -d 'Attestations of the image, which are not made: only type=provenance|sbom,disabled=true' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l build-arg -d 'Set an ARG of the Dockerfile; without a value, from the environment' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l build-arg-file -d 'Read build arguments from a file with a NAME=VALUE on each line' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l build-context -d 'A directory, archive, git repository, image (docker-image://NAME, oci-layout://DIRECTORY) or stage (target:NAME) that FROM and --from know by a name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l builder -d 'The builder: there is one, called default' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cache-from -d 'Take steps from the build cache of an image or a directory: type=registry,ref=NAME, type=local,src=DIRECTORY, or NAME' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cache-to -d 'Keep steps for other machines: type=registry,ref=NAME, type=local,dest=DIRECTORY or type=inline, with mode=max for those of all stages' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l call -d 'Do something else than build: check the Dockerfile, outline what a target takes, or list the targets' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l disable-content-trust -d 'Accepted as docker\'s old flag; signatures are checked as the policy says' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l env -d 'Add a variable to the image; without a value, from the environment' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -s f -l file -d 'The Dockerfile; - for standard input (default Dockerfile in the context)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l force-rm -d 'Containers of steps are always removed, those of failed ones as well' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l format -d 'The format of the image\'s manifest: oci or docker (default oci)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l from -d 'The image of the first FROM, in place of that in the Dockerfile' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l identity-label -d 'No image has a label with the builder\'s version' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l ignorefile -d 'The list of ignored files, in place of .dockerignore' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l iidfile -d 'Write the id of the image to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l inherit-labels -d 'Whether the image has the labels of its base (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l jobs -d 'How many stages are built at the same time (default all that do not wait for each other)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l label -d 'Add a label to the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l layers -d 'Whether each step has a layer and a record in the build cache (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l manifest -d 'Add the image to a list of images for several platforms, which is made when it is missing' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l metadata-file -d 'Write what is known of the image to a file, as JSON' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l no-cache-filter -d 'Do the steps of this stage again' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l os -d 'Build for this operating system: linux' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -s o -l output -d 'Write the result somewhere: type=local|tar|oci|docker|image|registry[,dest=PATH], or a directory, or - for a tar stream on standard output' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l platform -d 'Build for this platform: os/architecture[/variant]; several make an index of images' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l progress -d 'How progress is shown: auto, plain, tty, rawjson or quiet' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l pull -d 'Ask registries for newer images: true, always, newer, missing, false or never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l provenance -d 'A record of how the image was built, which is not made: only false' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l rm -d 'Containers of steps are always removed' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l sbom -d 'A list of what is in the image, which is not made: only false' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l secret -d 'A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=VARIABLE]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l skip-unused-stages -d 'Leave out stages that the target does not need (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l source-date-epoch -d 'No time in the image is later, in seconds since 1970 (default SOURCE_DATE_EPOCH of the environment)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l ssh -d 'The socket of an agent for RUN --mount=type=ssh: default or ID[=SOCKET]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -s t -l tag -d 'A name of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l target -d 'Build this stage of the Dockerfile' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l timestamp -d 'The time of the image and of all files of its new layers, in seconds since 1970' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l unsetenv -d 'Remove a variable from the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l unsetlabel -d 'Remove a label of the base from the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l variant -d 'The variant of --arch' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l no-hosts -d 'Leave /etc/hosts of the steps as the image has it'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l check -d 'Check the Dockerfile instead of building it: the same as --call=check'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l compress -d 'Nothing is sent anywhere, so that nothing is compressed'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l debug-on-error -d 'When a RUN step fails, open a shell in its files as they were before it'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l load -d 'Store the image here, which is always done'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l no-cache -d 'Do every step again, whatever is in the build cache'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l omit-history -d 'Leave out the image\'s history'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l push -d 'Send the image to the registries of its names'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Show no progress, print the id of the image only'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l rewrite-timestamp -d 'No file of the image\'s new layers is later than --source-date-epoch, which always holds'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l squash -d 'Make one layer of all new ones'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l squash-all -d 'Make one layer of all, those of the base as well'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -s D -l debug -d 'Show checks that failed in full, with the lines of the Dockerfile'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from build" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l authfile -d 'File with the registries\' credentials' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l cert-dir -d 'Directory with certificates for the registry: *.crt, and *.cert with *.key' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l creds -d 'User name and password for the registry; a password that is not given is asked for' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l retry -d 'Try again this number of times when the network or the registry fails' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l retry-delay -d 'Wait so long before the first of these: 500ms, 2s' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l add-host -d 'Add a name to /etc/hosts of the steps: NAME:ADDRESS' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l cap-add -d 'Give the steps a Linux capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l cap-drop -d 'Take a Linux capability from the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l cgroup-parent -d 'The control group above those of the steps: a slice of systemd, or a path' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l cgroupns -d 'Whose control groups the steps see: private or host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l cpu-period -d 'The period of --cpu-quota in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l cpu-quota -d 'Processor time of a step in each period, in microseconds' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -s c -l cpu-shares -d 'A step\'s share of processor time; 1024 is usual' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l cpuset-cpus -d 'The processors that steps may run on: 0-2,4' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l cpuset-mems -d 'The memory nodes that steps may use: 0,1' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l device -d 'Give the steps a device of the host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l dns -d 'A DNS server for the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l dns-option -d 'An option of the steps\' resolv.conf' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l dns-search -d 'Complete names with this domain in the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l http-proxy -d 'Give the steps this machine\'s proxy variables (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l isolation -d 'How steps are confined: default or oci, which is as containers are' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -s m -l memory -d 'How much memory a step may use' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l memory-swap -d 'Memory and swap of a step together; -1 for no limit of swap' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l network -d 'The network of the steps: default, none, host or the name of a network' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l security-opt -d 'Security options of the steps: no-new-privileges, seccomp=FILE|unconfined, mask=PATH, unmask=PATH|ALL, label=…, apparmor=unconfined' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l shm-size -d 'Size of /dev/shm of the steps' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l ulimit -d 'A resource limit of each process of the steps: NAME=SOFT[:HARD]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l userns -d 'Whose ids the steps have: host, keep-id, nomap or auto' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -s v -l volume -d 'Mount a directory of this machine in each step: SOURCE:TARGET[:OPTIONS]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l allow -d 'Allow steps more than usual: network.host, for RUN --network=host' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l annotation -d 'Add an annotation to the manifest of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l arch -d 'Build for this architecture, on Linux' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l attest -d 'Attestations of the image, which are not made: only type=provenance|sbom,disabled=true' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l build-arg -d 'Set an ARG of the Dockerfile; without a value, from the environment' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l build-arg-file -d 'Read build arguments from a file with a NAME=VALUE on each line' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l build-context -d 'A directory, archive, git repository, image (docker-image://NAME, oci-layout://DIRECTORY) or stage (target:NAME) that FROM and --from know by a name' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l builder -d 'The builder: there is one, called default' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l cache-from -d 'Take steps from the build cache of an image or a directory: type=registry,ref=NAME, type=local,src=DIRECTORY, or NAME' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l cache-to -d 'Keep steps for other machines: type=registry,ref=NAME, type=local,dest=DIRECTORY or type=inline, with mode=max for those of all stages' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l call -d 'Do something else than build: check the Dockerfile, outline what a target takes, or list the targets' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l disable-content-trust -d 'Accepted as docker\'s old flag; signatures are checked as the policy says' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l env -d 'Add a variable to the image; without a value, from the environment' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -s f -l file -d 'The Dockerfile; - for standard input (default Dockerfile in the context)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l force-rm -d 'Containers of steps are always removed, those of failed ones as well' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l format -d 'The format of the image\'s manifest: oci or docker (default oci)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l from -d 'The image of the first FROM, in place of that in the Dockerfile' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l identity-label -d 'No image has a label with the builder\'s version' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l ignorefile -d 'The list of ignored files, in place of .dockerignore' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l iidfile -d 'Write the id of the image to a file' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l inherit-labels -d 'Whether the image has the labels of its base (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l jobs -d 'How many stages are built at the same time (default all that do not wait for each other)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l label -d 'Add a label to the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l layers -d 'Whether each step has a layer and a record in the build cache (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l manifest -d 'Add the image to a list of images for several platforms, which is made when it is missing' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l metadata-file -d 'Write what is known of the image to a file, as JSON' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l no-cache-filter -d 'Do the steps of this stage again' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l os -d 'Build for this operating system: linux' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -s o -l output -d 'Write the result somewhere: type=local|tar|oci|docker|image|registry[,dest=PATH], or a directory, or - for a tar stream on standard output' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l platform -d 'Build for this platform: os/architecture[/variant]; several make an index of images' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l progress -d 'How progress is shown: auto, plain, tty, rawjson or quiet' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l pull -d 'Ask registries for newer images: true, always, newer, missing, false or never' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l provenance -d 'A record of how the image was built, which is not made: only false' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l rm -d 'Containers of steps are always removed' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l sbom -d 'A list of what is in the image, which is not made: only false' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l secret -d 'A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=VARIABLE]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l skip-unused-stages -d 'Leave out stages that the target does not need (default true)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l source-date-epoch -d 'No time in the image is later, in seconds since 1970 (default SOURCE_DATE_EPOCH of the environment)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l ssh -d 'The socket of an agent for RUN --mount=type=ssh: default or ID[=SOCKET]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -s t -l tag -d 'A name of the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l target -d 'Build this stage of the Dockerfile' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l timestamp -d 'The time of the image and of all files of its new layers, in seconds since 1970' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l unsetenv -d 'Remove a variable from the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l unsetlabel -d 'Remove a label of the base from the image' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l variant -d 'The variant of --arch' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l no-hosts -d 'Leave /etc/hosts of the steps as the image has it'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l check -d 'Check the Dockerfile instead of building it: the same as --call=check'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l compress -d 'Nothing is sent anywhere, so that nothing is compressed'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l debug-on-error -d 'When a RUN step fails, open a shell in its files as they were before it'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l load -d 'Store the image here, which is always done'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l no-cache -d 'Do every step again, whatever is in the build cache'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l omit-history -d 'Leave out the image\'s history'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l push -d 'Send the image to the registries of its names'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -s q -l quiet -d 'Show no progress, print the id of the image only'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l rewrite-timestamp -d 'No file of the image\'s new layers is later than --source-date-epoch, which always holds'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l squash -d 'Make one layer of all new ones'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l squash-all -d 'Make one layer of all, those of the base as well'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -s D -l debug -d 'Show checks that failed in full, with the lines of the Dockerfile'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from b" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from du" -l verbose -d 'Show the step of each record, and when it was made'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from du" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from inspect" -l bootstrap -d 'The builder needs no start'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from inspect" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Names are never shortened'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from ls" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from prune" -l filter -d 'Filter by until: what was not used for so long' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from prune" -l keep-storage -l reserved-space -l max-used-space -d 'Keep what was used last, up to this size' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove what images use as well, and the directories of cache mounts'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask first'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from prune" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from version" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from imagetools" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from imagetools" -f -a "create" -d 'Make an index of images in a registry'
complete -c coracle -n "__fish_coracle_using_subcommand buildx; and __fish_seen_subcommand_from imagetools" -f -a "inspect" -d 'Show what a registry has under a name'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -l cgroup-manager -d 'What makes control groups: disabled' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -l log -d 'The file that errors are appended to' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -l log-format -d 'The form of that file: text or json' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -l root -d 'The directory with the state of containers' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -l debug -d 'Accepted for runc\'s sake: more is not told'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -l systemd-cgroup -d 'Refused: this runtime makes no control groups yet'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -f -a "create" -d 'Create a container from a bundle; its program waits to be started'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -f -a "delete" -d 'Delete a container that has ended'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -f -a "exec" -d 'Run another process in a container'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -f -a "features" -d 'Print what this runtime supports'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -f -a "kill" -d 'Send a signal to the first process of a container'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -f -a "list" -d 'List containers'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -f -a "ps" -d 'List the processes of a container'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -f -a "run" -d 'Create and start a container from a bundle'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -f -a "spec" -d 'Write a config.json to begin with'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -f -a "start" -d 'Start the program of a container that was created'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and not __fish_seen_subcommand_from create delete exec features kill list ps run spec start state" -f -a "state" -d 'Print the state of a container'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from create" -s b -l bundle -d 'The directory of the bundle' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from create" -l console-socket -d 'The socket that receives the terminal' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from create" -l pid-file -d 'The file that the container\'s pid is written to' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from create" -l preserve-fds -d 'How many descriptors from 3 on the program gets' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from create" -l no-new-keyring -d 'Leave the container in the session keyring of the caller'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from create" -l no-pivot -d 'Refused: a container\'s root is always changed with pivot_root'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from create" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from delete" -s f -l force -d 'End it first, with SIGKILL; that there is none is no error'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from delete" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from exec" -s c -l cap -d 'Add a capability' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from exec" -l console-socket -d 'The socket that receives the terminal' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from exec" -l cwd -d 'The working directory' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from exec" -s e -l env -d 'Set an environment variable' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from exec" -l pid-file -d 'The file that the pid of the process is written to' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from exec" -s p -l process -d 'The process as a file, in the form of config.json' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from exec" -s u -l user -d 'The user: UID[:GID]' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from exec" -s d -l detach -d 'Do not wait for the end of the process'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from exec" -s t -l tty -d 'Allocate a pseudo-terminal'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from exec" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from features" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from kill" -s a -l all -d 'To every process of the container'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from kill" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from list" -s f -l format -d 'table or json' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from list" -s q -l quiet -d 'IDs only'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from list" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from ps" -s f -l format -d 'table or json' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from ps" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from run" -s b -l bundle -d 'The directory of the bundle' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from run" -l console-socket -d 'The socket that receives the terminal' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from run" -l pid-file -d 'The file that the container\'s pid is written to' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from run" -l preserve-fds -d 'How many descriptors from 3 on the program gets' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from run" -l no-new-keyring -d 'Leave the container in the session keyring of the caller'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from run" -l no-pivot -d 'Refused: a container\'s root is always changed with pivot_root'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from run" -s d -l detach -d 'Do not wait for the end of the container'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from run" -l keep -d 'Do not delete the container with its end'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from run" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from spec" -s b -l bundle -d 'The directory of the bundle' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from spec" -l rootless -d 'For an ordinary user'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from spec" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from start" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand runtime; and __fish_seen_subcommand_from state" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor events info linger migrate prune wait-network persona service" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor events info linger migrate prune wait-network persona service" -f -a "check" -d 'Verify all images, layers and names, and repair what is damaged'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor events info linger migrate prune wait-network persona service" -f -a "df" -d 'Show disk usage'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor events info linger migrate prune wait-network persona service" -f -a "doctor" -d 'Check this machine, and say how to repair what is missing'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor events info linger migrate prune wait-network persona service" -f -a "events" -d 'Show what happens to containers, images, volumes and networks'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor events info linger migrate prune wait-network persona service" -f -a "info" -d 'Display information about this installation'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor events info linger migrate prune wait-network persona service" -f -a "linger" -d 'Keep containers when you log out, and start them at boot'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor events info linger migrate prune wait-network persona service" -f -a "migrate" -d 'Take over images from the store of podman or docker, which stays as it is'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor events info linger migrate prune wait-network persona service" -f -a "prune" -d 'Remove stopped containers, networks and images that are not used, and the build cache'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor events info linger migrate prune wait-network persona service" -f -a "wait-network" -d 'Wait until this machine has a default route'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor events info linger migrate prune wait-network persona service" -f -a "persona" -d 'Make coracle answer to docker or podman as well'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor events info linger migrate prune wait-network persona service" -f -a "service" -d 'Manage the units of coracle in your systemd'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -s m -l max -d 'Layers that no image has are left over when they are older' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -s f -l force -d 'With --repair: remove containers of damaged images as well'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -s q -l quick -d 'Do not read the contents of layers'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -s r -l repair -d 'Remove what is damaged or left over'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from df" -l format -d 'Format with a Go template: \'table\', \'table TEMPLATE\', \'json\' or \'TEMPLATE\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from df" -s v -l verbose -d 'Show each image, container and volume'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from df" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from doctor" -l format -d 'How to show the checks: \'json\' for programs' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from doctor" -l fix -d 'Offer to run each fix that needs no administrator'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from doctor" -l json -d 'The same as --format json'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from doctor" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from events" -s f -l filter -d 'Filter by container, event, image, label, network, scope, type or volume' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from events" -l format -d 'Format with a Go template, or \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from events" -l no-trunc -d 'Don\'t truncate IDs' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from events" -l since -d 'Show events since a time (2026-11-21T09:30:00) or for a duration (10m)' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from events" -l stream -d 'Go on with what happens, instead of ending with the last event there is' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from events" -l until -d 'Show events until a time or for a duration, and end then' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from events" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from info" -s f -l format -d 'Format with a Go template, or \'json\'' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from info" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from linger" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from migrate" -l from -d 'Whose images: podman or docker; without, there is nothing to do, because records of older versions are read as they are' -r -f -a "podman\t'podman, buildah and skopeo'
docker\t'docker, if it keeps images itself and not in containerd'"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from migrate" -l path -d 'The directory of that store, where it is not in its usual place' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from migrate" -s q -l quiet -d 'Show no progress'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from migrate" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -l filter -d 'Filter by label or until' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove all unused images, not just dangling ones, and all of the build cache'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -l build -d 'Remove the build cache (always, but when called as podman)'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -l external -d 'Accepted: only podman has containers of other programs in its store'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask first'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -l volumes -d 'Remove unused anonymous volumes, too; called as podman, those with names as well'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from wait-network" -l timeout -d 'Seconds after which to go on without one' -r -a "(__fish_coracle_names)"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from wait-network" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from persona" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from persona" -f -a "install" -d 'Make coracle answer to docker or podman as well'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from persona" -f -a "remove" -d 'Remove what `install` made'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from service" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from service" -f -a "install" -d 'Have systemd start containers and Quadlet files with your session'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from service" -f -a "remove" -d 'Remove the units of coracle from your systemd'

function __fish_coracle_names
    set -l words (commandline -opc)
    $words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c coracle -n "count (__fish_coracle_names) >/dev/null" -f -k -a "(__fish_coracle_names)"
