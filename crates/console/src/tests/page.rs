//! A page as a browser received it.

use http::{HeaderMap, StatusCode};

pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) location: String,
    pub(super) text: String,
}

impl Page {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The token of the page's first form.
    pub(super) fn form_token(&self) -> String {
        let rest = self.text.split("name=\"form_token\" value=\"").nth(1).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    /// The names of the buttons, with hidden text.
    pub(super) fn buttons(&self) -> Vec<String> {
        let of = |rest: &str| {
            let inside = rest.split_once('>').unwrap().1.split("</button>").next().unwrap();
            let texts = inside.split('<').map(|it| it.split_once('>').map_or(it, |(_, text)| text));
            texts.collect::<String>()
        };
        self.text.split("<button").skip(1).map(of).collect()
    }

    #[track_caller]
    pub(super) fn shows(&self, text: &str) {
        assert!(self.text.contains(text), "{text:?} is not in {}", self.text);
    }

    #[track_caller]
    pub(super) fn hides(&self, text: &str) {
        assert!(!self.text.contains(text), "{text:?} is in {}", self.text);
    }
}
