//! A link as a QR code, drawn as one path.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// A QR code: the modules of a side, including the quiet zone, and the path of the dark ones.
pub(crate) struct QrDrawing {
    pub(crate) side: usize,
    pub(crate) path: String,
}

/// Width of the quiet zone in modules.
const QUIET: usize = 4;

/// Modules of a side of the largest code, version 10: cameras read it from a screen at arm's length.
const MOST: usize = 57;

/// The QR code of a text; `None` if the text is too long.
pub(crate) fn code(text: &str) -> Option<QrDrawing> {
    let levels = [EcLevel::M, EcLevel::L].into_iter();
    let codes = levels.filter_map(|level| QrCode::with_error_correction_level(text, level).ok());
    let code = codes.into_iter().find(|code| code.width() <= MOST)?;
    let width = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (at % width + QUIET, at / width + QUIET);
            // Writing to a string cannot fail.
            let _ = write!(path, "M{x} {y}h1v1h-1z");
        }
    }
    Some(QrDrawing { side: width + 2 * QUIET, path })
}
