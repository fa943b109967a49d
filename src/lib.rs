//! datadrop
pub mod ambient;
pub mod api;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod emulator;
pub mod folder;
pub mod job;
pub mod joblog;
pub mod ready;
pub mod report;
pub mod retry;
pub mod settle;
pub mod track;
pub mod upload;
pub mod watch;
