//! The size of plays under load: small in an ordinary run, full with `./test --full-size`.

/// The size to play at. `./test --full-size` sets `FULL_SIZE=1`.
pub fn choose<T>(small: T, full: T) -> T {
    if std::env::var("FULL_SIZE").is_ok_and(|value| value == "1") { full } else { small }
}
