//! Entry points of the fuzz targets (`fuzz/`): the parsers of untrusted input.

use countersign_domain::sid::ChallengeSid;
use countersign_store::Cursor;

use crate::paging::{parse_token, print_token};
use crate::params::Params;
use crate::rows;
use crate::socket::frames::DeviceFrame;

/// Whether the bytes are a form or a query.
pub fn is_form(bytes: &[u8]) -> bool {
    Params::parse(bytes, &rows::PARAMETER).is_ok()
}

/// Whether a text is a frame of a device.
pub fn is_frame(text: &str) -> bool {
    DeviceFrame::parse(text).is_ok()
}

/// Parses a page token of a list of challenges and prints it again. `None` if it is not a token of `list`.
pub fn page_token(token: &str, list: &str) -> Option<String> {
    let Cursor { sid, side } = parse_token::<ChallengeSid>(token, list)?;
    Some(print_token(side, sid, list))
}
