//! The shell as far as it needs no system: [`parse`] makes a tree ([`ast`]) of text, [`expand`]
//! makes words of its words, [`glob`] matches names, [`arithmetic`] and [`test`] compute,
//! [`jobs`] keeps the books of job control. The program `sh` does the rest.

#![forbid(unsafe_code)]

pub mod arithmetic;
pub mod ast;
pub mod expand;
pub mod glob;
pub mod jobs;
pub mod parse;
pub mod test;
mod word;
