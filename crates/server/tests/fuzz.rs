//! Every fuzz target on its seeds, on what a cut or a changed byte makes of them, and on what chance makes of them. `fuzz/` holds targets
//! and seeds.
#![allow(clippy::disallowed_methods, reason = "the search goes by the real clock")]

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets use them from outside")]
mod targets;

use std::path::Path;
use std::time::{Duration, Instant};

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

/// The time for all targets together. `FUZZ_SECONDS=3600` searches for an hour, and `FUZZ_SEED` repeats a search.
fn seconds() -> f64 {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    seconds.unwrap_or(4.0)
}

#[test]
fn every_target_keeps_its_rule_on_inputs_made_at_random() {
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    let share = Duration::from_secs_f64(seconds() / TARGETS.len() as f64);
    for (name, run) in TARGETS {
        let inputs: Vec<Vec<u8>> = seeds(name).into_iter().map(|(_, data)| data).collect();
        let (mut dice, mut count, mut taken) = (Dice(seed), 0_u64, 0_u64);
        let began = Instant::now();
        while began.elapsed() < share || count < 100 {
            let input = mutated(&inputs, &mut dice);
            match std::panic::catch_unwind(|| run(&input)) {
                Ok(is_taken) => taken += u64::from(is_taken),
                Err(_) => panic!("FUZZ_SEED={seed}, {name}: b\"{}\"", input.escape_ascii()),
            }
            count += 1;
        }
        println!("{name}: {count} inputs, {taken} of them taken; FUZZ_SEED={seed}");
    }
}

/// An input with some changes, which another input may take part in.
fn mutated(inputs: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    const BYTES: [u8; 12] = [0, 1, 0x7f, 0x80, 0xff, b' ', b'"', b'{', b'%', b'.', b'=', b'\n'];
    let mut input = inputs[dice.below(inputs.len())].clone();
    for _ in 0..=dice.below(6) {
        let (at, end) = (dice.below(input.len() + 1), dice.below(input.len() + 1));
        let (from, to) = (at.min(end), at.max(end));
        let byte = BYTES[dice.below(BYTES.len())];
        match dice.below(7) {
            0 if at < input.len() => input[at] ^= 1 << dice.below(8),
            1 if at < input.len() => input[at] = byte,
            2 => input.insert(at, byte),
            3 => drop(input.drain(from..to)),
            4 => {
                let part = input[from..to].to_vec();
                input.splice(at..at, part);
            }
            5 => {
                let other = &inputs[dice.below(inputs.len())];
                let (one, two) = (dice.below(other.len() + 1), dice.below(other.len() + 1));
                input.splice(at..at, other[one.min(two)..one.max(two)].iter().copied());
            }
            _ => input.truncate(to),
        }
        input.truncate(64 * 1_024);
    }
    input
}

/// Pseudo-random numbers that repeat with their seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("it is below a usize")
    }
}
