//! Prime factors: [`factor`] says which method is used when.

mod ecm;
pub(crate) mod factor;
mod inverse;
mod powers;
pub(crate) mod primality;
mod primes;
mod rho;
mod ring;
mod sieve;
mod smooth;
mod trial;
