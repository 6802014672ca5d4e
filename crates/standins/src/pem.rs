//! Private keys in PEM.

use pem::{EncodeConfig, LineEnding, Pem};

/// A PKCS#8 key in PEM, the format that Apple and Google hand out.
pub(crate) fn private_key(der: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new("PRIVATE KEY", der), config)
}
