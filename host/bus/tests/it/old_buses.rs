//! What the old Python buses could do: the table in the README, row by row.
//!
//! One module a bus, one test a row, named by the bus's own word. [`the_readme`] holds the two together: each row has its
//! test, and the test uses every API that the row names.

mod asyncio_dispatch;
mod asyncio_signal_bus;
mod blinker;
mod louie;
mod none_of_them;
mod pyee;
mod pypubsub;
mod python_dispatch;
mod smokesignal;
mod the_readme;
mod zope_event;
