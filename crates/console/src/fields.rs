//! Fields of a form, and what is wrong with them.

use countersign_domain::integration::IntegrationPart;
use countersign_domain::invalid::Invalid;
use countersign_verify::{Parameter, VerifyError};

use crate::error::PageError;
use crate::form::Form;

/// How a field is filled in.
pub(crate) enum Input {
    /// One line.
    Line,
    /// Several lines.
    Area,
    /// A whole number.
    Number,
    /// A time in UTC, which a script shows in the reader's zone.
    Time,
    /// One of these values, each with its name.
    Choice(Vec<(String, String)>),
    /// Any of these values, each with its name and whether it is ticked.
    Ticks(Vec<(String, String, bool)>),
}

/// A field of a form, with its error.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: String,
    pub(crate) value: String,
    pub(crate) error: Option<String>,
    pub(crate) input: Input,
}

impl Field {
    fn new(name: &'static str, label: &'static str, value: String, input: Input) -> Self {
        Self { name, label, hint: String::new(), value, error: None, input }
    }

    pub(crate) fn text(name: &'static str, label: &'static str, value: impl Into<String>) -> Self {
        Self::new(name, label, value.into(), Input::Line)
    }

    pub(crate) fn area(name: &'static str, label: &'static str, value: impl Into<String>) -> Self {
        Self::new(name, label, value.into(), Input::Area)
    }

    pub(crate) fn number(
        name: &'static str,
        label: &'static str,
        value: impl Into<String>,
    ) -> Self {
        Self::new(name, label, value.into(), Input::Number)
    }

    pub(crate) fn time(name: &'static str, label: &'static str, value: impl Into<String>) -> Self {
        Self::new(name, label, value.into(), Input::Time)
    }

    /// Boxes to tick; `ticked` are the values that are.
    pub(crate) fn ticks<'a>(
        name: &'static str,
        label: &'static str,
        choices: impl IntoIterator<Item = (&'a str, &'a str)>,
        ticked: &[&str],
    ) -> Self {
        let choices = choices
            .into_iter()
            .map(|(value, name)| (value.to_owned(), name.to_owned(), ticked.contains(&value)));
        Self::new(name, label, String::new(), Input::Ticks(choices.collect()))
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    pub(crate) fn choose(self, choices: Vec<(String, String)>) -> Self {
        Self { input: Input::Choice(choices), ..self }
    }

    /// Choices with fixed names.
    pub(crate) fn choose_of(self, choices: &[(&str, &str)]) -> Self {
        let owned = choices.iter().map(|(value, name)| ((*value).to_owned(), (*name).to_owned()));
        self.choose(owned.collect())
    }

    /// Adds the error if it is about this field.
    pub(crate) fn judged(self, wrong: Option<&Wrong>) -> Self {
        let error = wrong.filter(|wrong| wrong.field == Some(self.name));
        let error = error.map(|wrong| format!("{} {}.", self.label, wrong.why));
        Self { error, ..self }
    }

    /// Ids of the elements that describe it: hint, error, or both.
    pub(crate) fn described_by(&self) -> String {
        let mut ids = Vec::new();
        if !self.hint.is_empty() {
            ids.push(format!("{}-hint", self.name));
        }
        if self.error.is_some() {
            ids.push(format!("{}-error", self.name));
        }
        ids.join(" ")
    }

    pub(crate) const fn is_number(&self) -> bool {
        matches!(self.input, Input::Number)
    }

    pub(crate) const fn is_time(&self) -> bool {
        matches!(self.input, Input::Time)
    }

    /// The id of the element that takes the focus.
    pub(crate) fn focus(&self) -> String {
        match &self.input {
            Input::Ticks(choices) if !choices.is_empty() => format!("{}-1", self.name),
            _ => self.name.to_owned(),
        }
    }
}

/// The error of a form: of one of its fields, or of the whole form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The name of the field.
    pub(crate) field: Option<&'static str>,
    /// Why: what follows the label of the field, otherwise a sentence.
    pub(crate) why: String,
}

/// Why a form was not carried out.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Its page is shown again, with what is wrong.
    Wrong(Wrong),
    /// Another page is shown.
    Page(PageError),
}

impl Refusal {
    pub(crate) fn field(name: &'static str, why: &(impl ToString + ?Sized)) -> Self {
        Self::Wrong(Wrong { field: Some(name), why: why.to_string() })
    }

    /// The error of the form. Errors that have a page of their own are returned as such.
    pub(crate) fn wrong(self) -> Result<Wrong, PageError> {
        match self {
            Self::Wrong(wrong) => Ok(wrong),
            Self::Page(error) => Err(error),
        }
    }
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Parameter(Parameter::Integration(part), why) => {
                let name = match part {
                    IntegrationPart::Networks => "Networks",
                    IntegrationPart::NotificationEndpoint => "OpenId.NotificationEndpoint",
                    IntegrationPart::KeycloakIssuers => "Keycloak.Issuers",
                    IntegrationPart::Sites => "ForwardAuth.Sites",
                };
                Self::field(name, &why)
            }
            error => PageError::from(error).into(),
        }
    }
}

impl From<PageError> for Refusal {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Refused(why) => Self::Wrong(Wrong { field: None, why }),
            other => Self::Page(other),
        }
    }
}

impl Form {
    /// Reads a field by its rule.
    pub(crate) fn read<'f, T>(
        &'f self,
        name: &'static str,
        rule: impl FnOnce(&'f str) -> Result<T, Invalid>,
    ) -> Result<T, Refusal> {
        rule(self.text(name)).map_err(|why| Refusal::field(name, &why))
    }

    /// Reads a field by its rule, unless it is empty.
    pub(crate) fn read_given<'f, T>(
        &'f self,
        name: &'static str,
        rule: impl FnOnce(&'f str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Refusal> {
        let given = Some(self.text(name)).filter(|text| !text.is_empty());
        given.map(rule).transpose().map_err(|why| Refusal::field(name, &why))
    }
}
