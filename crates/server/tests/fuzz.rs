//! Every fuzz target on its seeds, and on what a cut or a changed byte makes of them. `fuzz/` holds targets and seeds.

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets use them from outside")]
mod targets;

use std::path::Path;

use targets::TARGETS;

/// The seeds of a target, with their names.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let read = |path: &Path| std::fs::read(path).expect("a seed");
    let files = std::fs::read_dir(&folder).expect("a folder of seeds").flatten();
    files.map(|file| (file.path().display().to_string(), read(&file.path()))).collect()
}

#[test]
fn every_target_keeps_its_rule_on_its_seeds() {
    for (name, run) in TARGETS {
        let seeds = seeds(name);
        assert!(seeds.len() > 3, "{name}");
        let keeps = |(seed, data): &(String, Vec<u8>)| {
            std::panic::catch_unwind(|| run(data)).unwrap_or_else(|_| panic!("{seed}"))
        };
        let taken: Vec<bool> = seeds.iter().map(keeps).collect();
        assert!(taken.contains(&true) && taken.contains(&false), "{name}: {taken:?}");
    }
}

#[test]
fn every_target_keeps_its_rule_on_seeds_that_are_cut_or_changed() {
    for (name, run) in TARGETS {
        for (seed, data) in seeds(name) {
            for at in 0..data.len() {
                assert!(
                    std::panic::catch_unwind(|| run(&data[..at])).is_ok(),
                    "{seed}, {at} bytes"
                );
                for change in [0x01, 0x20, 0x80, 0xff] {
                    let mut changed = data.clone();
                    changed[at] ^= change;
                    let is_kept = std::panic::catch_unwind(|| run(&changed)).is_ok();
                    assert!(is_kept, "{seed}, byte {at} ^ {change:#x}");
                }
            }
        }
    }
}
