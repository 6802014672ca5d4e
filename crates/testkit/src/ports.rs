//! Ports for programs that tests start.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the system gives to outgoing connections, so that none takes one between the choice and the start.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// The next port to try, counted from one that depends on the process.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A free TCP port of all addresses. No other test gets it while this process lives: a lock on a file with its number says so.
///
/// # Panics
/// If no port is free, or the folder of the locks cannot be written.
pub fn free_port() -> u16 {
    let folder = std::env::temp_dir().join("countersign-test-ports");
    fs::create_dir_all(&folder).expect("a folder");
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).expect("it is below COUNT");
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        let lock = File::create(folder.join(port.to_string())).expect("a file");
        if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            // The process holds the lock to its end.
            std::mem::forget(lock);
            return port;
        }
    }
    panic!("no port is free");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_one_in_use_is_not_given() {
        let taken = free_port();
        let mut given = vec![taken];
        for _ in 0..50 {
            let port = free_port();
            assert!((FIRST..FIRST + COUNT).contains(&port) && !given.contains(&port), "{port}");
            given.push(port);
        }
    }
}
