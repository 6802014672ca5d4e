//! The list of all columns that hold sealed secrets. A secret is bound to its row, so each column says for what it is sealed.

use countersign_domain::backchannel::BackchannelId;
use countersign_domain::jws_key::JwsAlgorithm;
use countersign_domain::sid::{AccountSid, CredentialSid, FactorSid, IntegrationSid};
use countersign_store::moving::{Row, TABLES, Table, Value};

use crate::{
    accounts, backchannel, credentials, integrations, provider_tokens, signing_keys, totp_factors,
    transparency,
};

/// A column of sealed secrets.
pub(crate) struct SealedColumn {
    /// The name of its table.
    pub(crate) table: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// What a cell is sealed for, by the key of its row; `None` if that is malformed.
    pub(crate) context: fn(&[Value]) -> Option<String>,
}

/// All columns of sealed secrets.
pub(crate) const SEALED: [SealedColumn; 9] = [
    SealedColumn { table: "accounts", name: "primary_sealed", context: of_account },
    SealedColumn { table: "accounts", name: "secondary_sealed", context: of_account },
    SealedColumn {
        table: "credentials",
        name: "secrets",
        context: |key| Some(credentials::seal_context(CredentialSid::from_bytes(id(key, 0)?))),
    },
    SealedColumn {
        table: "integrations",
        name: "secret",
        context: |key| Some(integrations::seal_context(IntegrationSid::from_bytes(id(key, 1)?))),
    },
    SealedColumn {
        table: "totp_factors",
        name: "secret",
        context: |key| Some(totp_factors::seal_context(FactorSid::from_bytes(id(key, 1)?))),
    },
    SealedColumn {
        table: "provider_tokens",
        name: "token",
        context: |key| Some(provider_tokens::seal_context(id(key, 0)?)),
    },
    SealedColumn {
        table: "signing_keys",
        name: "key",
        context: |key| match key {
            [Value::Text(algorithm), Value::Number(version)] => {
                let algorithm: JwsAlgorithm = algorithm.parse().ok()?;
                Some(signing_keys::seal_context(algorithm, *version))
            }
            _ => None,
        },
    },
    SealedColumn {
        table: "backchannel_requests",
        name: "call",
        context: |key| Some(backchannel::seal_context(BackchannelId(id(key, 0)?))),
    },
    SealedColumn {
        table: "tlog_state",
        name: "key",
        context: |_| Some(transparency::KEY_CONTEXT.to_owned()),
    },
];

impl SealedColumn {
    /// The table.
    pub(crate) fn table(&self) -> &'static Table {
        let found = TABLES.iter().find(|table| table.name == self.table);
        found.expect("the list of tables has every table")
    }

    /// The bytes of the cell in a row of the table, unless it is empty.
    pub(crate) fn cell<'a>(&self, row: &'a Row) -> Option<&'a [u8]> {
        let mut columns = self.table().columns().zip(row);
        match columns.find(|((name, _), _)| *name == self.name)?.1 {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

fn of_account(key: &[Value]) -> Option<String> {
    Some(accounts::token_seal_context(AccountSid::from_bytes(id(key, 0)?)))
}

fn id(key: &[Value], at: usize) -> Option<[u8; 16]> {
    match key.get(at)? {
        Value::Bytes(bytes) => bytes.as_slice().try_into().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_one_of_its_table() {
        for column in &SEALED {
            let is_it = |(name, _): (&str, _)| name == column.name;
            assert!(column.table().columns().any(is_it), "{}.{}", column.table, column.name);
        }
    }
}
