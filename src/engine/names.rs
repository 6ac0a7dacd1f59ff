//! Names for containers that were given none: an adjective and a thing on or by the water.

use crate::base::Result;
use crate::base::id::{Name, random_bytes};

const ADJECTIVES: &[&str] = &[
    "able", "agile", "amber", "ample", "azure", "bold", "brave", "breezy", "bright", "brisk", "buoyant", "calm",
    "candid", "clear", "clever", "coastal", "cosy", "crisp", "daring", "deft", "eager", "early", "easy", "fair",
    "fine", "fleet", "fond", "free", "fresh", "gentle", "glad", "golden", "grand", "happy", "hardy", "hearty",
    "humble", "jolly", "keen", "kind", "light", "lively", "lucky", "lunar", "mellow", "merry", "mild", "misty", "neat",
    "nimble", "noble", "patient", "placid", "plucky", "polite", "proud", "quick", "quiet", "rapid", "ready", "rosy",
    "royal", "salty", "serene", "sharp", "silver", "simple", "sleek", "smart", "smooth", "snug", "solar", "sound",
    "spry", "steady", "still", "stout", "sunny", "sure", "swift", "tidal", "tidy", "trim", "true", "trusty", "vivid",
    "warm", "wise", "witty", "young", "zesty",
];

const THINGS: &[&str] = &[
    "albatross",
    "anchor",
    "bay",
    "beacon",
    "bight",
    "bollard",
    "bow",
    "bream",
    "bulwark",
    "buoy",
    "canoe",
    "cape",
    "cockle",
    "compass",
    "coral",
    "cormorant",
    "cove",
    "crab",
    "creek",
    "current",
    "cutter",
    "delta",
    "dinghy",
    "dory",
    "dolphin",
    "eddy",
    "estuary",
    "ferry",
    "fjord",
    "galley",
    "gannet",
    "gull",
    "halyard",
    "harbour",
    "heron",
    "hull",
    "inlet",
    "island",
    "jetty",
    "kayak",
    "keel",
    "kelp",
    "ketch",
    "kittiwake",
    "lagoon",
    "lantern",
    "limpet",
    "loch",
    "lugger",
    "mackerel",
    "mast",
    "mooring",
    "mussel",
    "narwhal",
    "oar",
    "otter",
    "paddle",
    "pearl",
    "pelican",
    "pier",
    "pilot",
    "plover",
    "puffin",
    "punt",
    "quay",
    "raft",
    "reef",
    "rigging",
    "river",
    "rudder",
    "sail",
    "salmon",
    "seal",
    "sextant",
    "shoal",
    "skerry",
    "skiff",
    "sloop",
    "sound",
    "spindrift",
    "starfish",
    "stern",
    "strait",
    "tern",
    "tide",
    "tiller",
    "trout",
    "turtle",
    "walrus",
    "wave",
    "weir",
    "wharf",
    "yawl",
];

/// A random name; after the first few tries with a number behind it, as docker does when a name is taken.
pub(super) fn generate(attempt: u32) -> Result<Name> {
    let mut random = [0u8; 6];
    random_bytes(&mut random)?;
    let pick = |list: &[&'static str], at: usize| {
        list[usize::from(u16::from_le_bytes([random[at], random[at + 1]])) % list.len()]
    };
    let name = format!("{}_{}", pick(ADJECTIVES, 0), pick(THINGS, 2));
    match attempt {
        0..3 => name.parse(),
        _ => format!("{name}{}", u16::from_le_bytes([random[4], random[5]])).parse(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn generated_names_are_names() {
        for attempt in 0..200 {
            super::generate(attempt % 5).unwrap();
        }
    }
}
