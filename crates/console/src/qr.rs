//! A link as a code to scan, drawn as one path.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// A code: how many modules a side has, its quiet zone included, and the path of the dark ones.
pub(crate) struct Code {
    pub(crate) side: usize,
    pub(crate) path: String,
}

/// Modules of the quiet zone.
const QUIET: usize = 4;

/// The code of a text; `None` if it is too long for one.
pub(crate) fn code(text: &str) -> Option<Code> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (at % width + QUIET, at / width + QUIET);
            // writing to a text cannot fail
            let _ = write!(path, "M{x} {y}h1v1h-1z");
        }
    }
    Some(Code { side: width + 2 * QUIET, path })
}
