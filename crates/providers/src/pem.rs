//! Lenient PEM (RFC 7468), as it arrives in forms and environment variables: line breaks may be lost, turned into spaces, or
//! written as `\n`, and a key may lack its BEGIN and END lines. The parsers of rustls-pki-types and `pem` require line breaks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_domain::base64::decode;
use countersign_domain::invalid::Invalid;
use pem::{EncodeConfig, LineEnding, Pem};

/// One block.
pub(crate) struct Block {
    /// The label after `BEGIN`.
    pub(crate) label: String,
    /// The decoded content.
    pub(crate) der: Vec<u8>,
}

/// Parses all blocks of a text, at least one.
pub(crate) fn blocks(text: &str) -> Result<Vec<Block>, Invalid> {
    const FORM: Invalid =
        Invalid::because("must be PEM: -----BEGIN …-----, base64 and -----END …-----");
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let (label, after) = begun.split_once("-----").ok_or(FORM)?;
        let (body, after) = after.split_once(&format!("-----END {label}-----")).ok_or(FORM)?;
        if label.contains("ENCRYPTED") || body.contains("Proc-Type:") {
            return Err(Invalid::because("must not be encrypted with a passphrase"));
        }
        let body: String = body.replace("\\r", "").replace("\\n", "");
        let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        let der = STANDARD.decode(body).map_err(|_| FORM)?;
        blocks.push(Block { label: label.to_owned(), der });
        rest = after;
    }
    if blocks.is_empty() { Err(FORM) } else { Ok(blocks) }
}

/// The first byte of a DER sequence; every PKCS#8 key is one.
const SEQUENCE: u8 = 0x30;

/// Parses the PKCS#8 key in a text.
pub(crate) fn pkcs8(text: &str) -> Result<Vec<u8>, Invalid> {
    if !text.contains("-----") {
        let der = decode(&text.replace("\\r", "").replace("\\n", ""));
        if let Some(der) = der.filter(|der| der.first() == Some(&SEQUENCE)) {
            return Ok(der);
        }
    }
    let key = blocks(text)?.into_iter().find(|block| block.label == "PRIVATE KEY");
    key.map(|block| block.der)
        .ok_or(Invalid::because("must hold a PKCS#8 key: -----BEGIN PRIVATE KEY-----"))
}

/// Writes a block in strict PEM.
pub(crate) fn render(label: &str, der: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(label, der), config)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAEC\nAwQF\n-----END PRIVATE KEY-----\n";

    #[test]
    fn line_breaks_may_be_lost() {
        for text in [
            KEY.to_owned(),
            KEY.replace('\n', ""),
            KEY.replace('\n', " "),
            KEY.replace('\n', "\r\n"),
            KEY.replace('\n', "\\n"),
            format!("Bag Attributes\n{KEY}\ntrailing"),
        ] {
            assert_eq!(pkcs8(&text), Ok(vec![0, 1, 2, 3, 4, 5]), "{text}");
        }
    }

    #[test]
    fn a_rendered_block_parses() {
        let der: Vec<u8> = (0..200).collect();
        let text = render("PRIVATE KEY", &der);
        assert!(text.lines().all(|line| line.len() <= 64));
        assert_eq!(pkcs8(&text), Ok(der));
    }

    #[test]
    fn several_blocks_are_read_in_order() {
        let chain = KEY.replace("PRIVATE KEY", "CERTIFICATE").replace('\n', "");
        let blocks = blocks(&format!("{chain}{KEY}")).unwrap();
        let labels: Vec<_> = blocks.iter().map(|block| block.label.as_str()).collect();
        assert_eq!(labels, ["CERTIFICATE", "PRIVATE KEY"]);
    }

    #[test]
    fn anything_else_says_what_it_must_be() {
        for wrong in [
            "",
            "AAECAwQF",
            "-----BEGIN PRIVATE KEY-----AAEC",
            "-----BEGIN PRIVATE KEY-----A!-----END PRIVATE KEY-----",
            "-----BEGIN A-----AAEC-----END B-----",
        ] {
            assert!(blocks(wrong).is_err(), "{wrong}");
        }
        let locked = KEY.replace("PRIVATE", "ENCRYPTED PRIVATE");
        assert!(pkcs8(&locked).unwrap_err().to_string().contains("passphrase"));
        assert!(pkcs8("AAECAwQF").is_err(), "no sequence");
        let other = KEY.replace("PRIVATE", "PUBLIC");
        assert!(pkcs8(&other).unwrap_err().to_string().contains("PKCS#8"));
    }
}
