//! Every call that is served, one line or two for each. Its names are Twilio's, for generators.

mod asking;
mod setup;

use super::parameter::Parameter;
use crate::rows::Row;

/// One call.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// Its name.
    pub(super) id: &'static str,
    /// The class that generators put it in.
    pub(super) tag: &'static str,
    pub(super) callers: Callers,
    /// What it does.
    pub(super) words: &'static str,
    pub(super) query: &'static [Parameter],
    pub(super) form: &'static [Parameter],
    pub(super) answer: Answer,
    /// The refusals that are its own.
    pub(super) refusals: &'static [&'static Row],
}

/// How it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Delete,
}

impl Method {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Delete => "delete",
        }
    }
}

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Callers {
    /// Applications.
    Application,
    /// Applications and devices that hold an access token.
    Enrolling,
    /// Applications and devices, these for what is their own.
    Device,
    /// Applications, devices of the service, and devices that hold an access token of it.
    Own,
    /// Whoever asks.
    Anybody,
}

impl Callers {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Application => "For applications.",
            Self::Enrolling => "For applications, and for devices with an access token.",
            Self::Device => "For applications, and for the device itself.",
            Self::Own => {
                "For applications, for devices of the service, and for devices with an access token of it."
            }
            Self::Anybody => "Needs no credentials.",
        }
    }
}

/// What comes back when all is well.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// 201 and what was made.
    Made(&'static str),
    /// 200 and what is there.
    Shown(&'static str),
    /// 200 and one page: the list's key, and the schema of its items.
    Listed(&'static str, &'static str),
    /// 204.
    Deleted,
    /// 101.
    Upgraded,
    /// 200 and this description.
    Described,
}

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Operation> {
    setup::ALL.iter().chain(asking::ALL)
}

/// The class and the name of a call.
type Names = (&'static str, &'static str);

const fn get(path: &'static str, names: Names, answer: Answer, words: &'static str) -> Operation {
    Operation::new(Method::Get, path, names, answer, words)
}

const fn post(path: &'static str, names: Names, answer: Answer, words: &'static str) -> Operation {
    Operation::new(Method::Post, path, names, answer, words)
}

const fn delete(
    path: &'static str,
    names: Names,
    answer: Answer,
    words: &'static str,
) -> Operation {
    Operation::new(Method::Delete, path, names, answer, words)
}

impl Operation {
    /// For applications, with nothing in query and form.
    const fn new(
        method: Method,
        path: &'static str,
        (tag, id): Names,
        answer: Answer,
        words: &'static str,
    ) -> Self {
        let callers = Callers::Application;
        Self { method, path, id, tag, callers, words, query: &[], form: &[], answer, refusals: &[] }
    }

    const fn by(mut self, callers: Callers) -> Self {
        self.callers = callers;
        self
    }

    const fn query(mut self, query: &'static [Parameter]) -> Self {
        self.query = query;
        self
    }

    const fn form(mut self, form: &'static [Parameter]) -> Self {
        self.form = form;
        self
    }

    const fn refusing(mut self, refusals: &'static [&'static Row]) -> Self {
        self.refusals = refusals;
        self
    }
}
