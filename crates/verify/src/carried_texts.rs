//! Texts that browsers carry for the server from one page to the next, sealed. Nothing about them is stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::secret::Secret;

use crate::verify::Verify;

impl Verify {
    /// Seals a text for one purpose. Any node of the installation can open it.
    pub fn seal_carried(&self, purpose: &str, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.keys.seal_carried(text, purpose, &*self.entropy))
    }

    /// Opens a text that was sealed for the same purpose; `None` for any other.
    pub fn open_carried(&self, purpose: &str, sealed: &str) -> Option<Secret> {
        self.keys.open_carried(&URL_SAFE_NO_PAD.decode(sealed).ok()?, purpose).ok()
    }
}
