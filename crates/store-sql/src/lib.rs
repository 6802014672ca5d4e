//! The parts that both SQL stores share: the columns of each kind of row and the functions that read them, and the arithmetic of pages
//! and batches. Statements and commands are in the stores themselves, since the dialects differ.

pub mod backlog;
pub mod cells;
pub mod facts;
pub mod migrations;
pub mod paging;
pub mod rows;
pub mod values;
