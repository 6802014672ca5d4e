//! Parameters with their SQL types. So the types need not be read from a prepared statement, which a pooler that assigns connections by the
//! transaction does not keep.

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// A parameter of a statement.
pub(crate) type Param<'a> = &'a (dyn Field + Sync);

/// A type that can be a parameter.
pub(crate) trait Field: ToSql + Send + Sync {
    /// Its SQL type.
    fn sql_type(&self) -> Type;
    /// The value as the driver takes it.
    fn as_sql(&self) -> &(dyn ToSql + Sync);
}

/// A type that can be an element of an array, or NULL.
pub(crate) trait Element: ToSql + Send + Sync {
    /// Its SQL type.
    const ONE: Type;
    /// The SQL type of an array of it.
    const MANY: Type;
}

macro_rules! fields {
    ($($rust:ty: $one:ident $many:ident;)*) => {$(
        impl Field for $rust {
            fn sql_type(&self) -> Type {
                Type::$one
            }

            fn as_sql(&self) -> &(dyn ToSql + Sync) {
                self
            }
        }

        impl Element for $rust {
            const ONE: Type = Type::$one;
            const MANY: Type = Type::$many;
        }
    )*};
}

fields! {
    bool: BOOL BOOL_ARRAY;
    i64: INT8 INT8_ARRAY;
    &str: TEXT TEXT_ARRAY;
    String: TEXT TEXT_ARRAY;
    &[u8]: BYTEA BYTEA_ARRAY;
    Uuid: UUID UUID_ARRAY;
}

/// Only in arrays: a single one is passed as a slice.
impl Element for Vec<u8> {
    const ONE: Type = Type::BYTEA;
    const MANY: Type = Type::BYTEA_ARRAY;
}

impl<T: Element> Field for Option<T> {
    fn sql_type(&self) -> Type {
        T::ONE
    }

    fn as_sql(&self) -> &(dyn ToSql + Sync) {
        self
    }
}

impl<T: Element> Element for Option<T> {
    const ONE: Type = T::ONE;
    const MANY: Type = T::MANY;
}

impl<T: Element> Field for Vec<T> {
    fn sql_type(&self) -> Type {
        T::MANY
    }

    fn as_sql(&self) -> &(dyn ToSql + Sync) {
        self
    }
}

/// A list of parameters, which lives as long as the enclosing block.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$(&$value as &(dyn $crate::params::Field + Sync)),*]
    };
}
pub(crate) use params;

/// 16 bytes as the database stores them.
pub(crate) fn id(bytes: &[u8; 16]) -> Uuid {
    Uuid::from_bytes(*bytes)
}

/// The least and the greatest id. With a condition on this range, a generic plan skips the partitions outside of it, which a list of ids does
/// not make it do.
pub(crate) fn span(ids: &[Uuid]) -> (Uuid, Uuid) {
    let least = ids.iter().min().copied().unwrap_or_default();
    (least, ids.iter().max().copied().unwrap_or_default())
}

/// The values of one column of rows.
pub(crate) fn column<'a, S: 'a, T>(
    rows: impl IntoIterator<Item = &'a S>,
    value: impl FnMut(&'a S) -> T,
) -> Vec<T> {
    rows.into_iter().map(value).collect()
}

/// The types of parameters.
pub(crate) fn types(params: &[Param<'_>]) -> Vec<Type> {
    params.iter().map(|param| param.sql_type()).collect()
}

/// Parameters as the driver takes them for a statement that is prepared.
pub(crate) fn values<'a>(params: &[Param<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|param| param.as_sql()).collect()
}

/// Parameters with their types, as the driver takes them for a statement that is not prepared.
pub(crate) fn typed<'a>(params: &[Param<'a>]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    params.iter().map(|param| (param.as_sql(), param.sql_type())).collect()
}
