//! `cutover man`: the manual, made from what the command line is made from, and of what stands in no
//! option: files, exit codes, environment and signals. What the keys of the files mean is left to the
//! examples in `config/`.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::Arguments;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Write one page for this program and one for each verb into this directory, which is made if it
    /// is not there.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(super) fn run(options: Options, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    // A page that describes `help` would say nothing.
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = options.folder else {
        out.write_all(&whole(&command)?)?;
        return Ok(ExitCode::SUCCESS);
    };
    let write = |name: String, page: Vec<u8>| {
        let path = folder.join(name);
        fs::write(&path, page).with_context(|| path.display().to_string())
    };
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    write(file_name(&command), whole(&command)?)?;
    for verb in command.get_subcommands() {
        write(file_name(verb), of_verb(verb)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The page of the program: what all verbs have in common.
fn whole(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = head(command)?;
    Man::new(command.clone()).render_subcommands_section(&mut page)?;
    for (heading, entries) in SECTIONS {
        let mut roff = Roff::default();
        roff.control("SH", [*heading]);
        for (term, text) in *entries {
            roff.control("TP", []).text([bold(*term)]).text([roman(*text)]);
        }
        roff.to_writer(&mut page)?;
    }
    let verbs = command.get_subcommands().map(|verb| (full_name(verb), "1"));
    let others = OTHERS.iter().map(|(name, section)| ((*name).to_owned(), *section));
    see_also(verbs.chain(others), &mut page)?;
    Ok(page)
}

fn of_verb(verb: &Command) -> io::Result<Vec<u8>> {
    let mut page = head(verb)?;
    see_also([("cutover".to_owned(), "1")].into_iter(), &mut page)?;
    Ok(page)
}

fn head(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    // Without a date: the same program makes the same pages. The crate would leave the empty word out.
    let (name, version) = (full_name(command).to_uppercase(), env!("CARGO_PKG_VERSION"));
    writeln!(page, ".TH {name} 1 \"\" \"cutover {version}\" \"cutover\"")?;
    let man = Man::new(command.clone());
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    Ok(page)
}

fn see_also(
    pages: impl Iterator<Item = (String, &'static str)>,
    page: &mut Vec<u8>,
) -> io::Result<()> {
    let mut roff = Roff::default();
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for (name, section) in pages {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(name), roman(format!("({section})"))]);
    }
    roff.text(line).to_writer(page)
}

fn file_name(command: &Command) -> String {
    format!("{}.1", full_name(command))
}

/// As `cutover-serve`.
fn full_name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

type Section = (&'static str, &'static [(&'static str, &'static str)]);

const SECTIONS: &[Section] = &[
    (
        "FILES",
        &[
            (
                "/etc/cutover/cutover.toml",
                "The settings, unless --config names others. Relative paths in it start at its directory.",
            ),
            (
                "/etc/cutover/release.toml",
                "The release file, unless the settings name another one (release_file). Changing it is a \
                 release.",
            ),
            (
                "/var/lib/cutover",
                "What survives a restart, under systemd and unless the settings say otherwise (state_dir); \
                 else the directory state beside the settings.",
            ),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "It is so: done, accepted, without a mistake."),
            ("1", "It is not so, it was refused, or the daemon could not be asked."),
            ("2", "The command was not understood."),
            ("3", "The time is up (cutover wait)."),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            ("NO_COLOR", "If it is set, nothing is coloured, on a terminal either."),
            (
                "STATE_DIRECTORY",
                "Where the state is kept if the settings do not say it; systemd sets it.",
            ),
            (
                "LISTEN_FDS, NOTIFY_SOCKET, WATCHDOG_USEC",
                "Sockets passed to the daemon, and where it tells its state and that it is alive, as systemd \
                 has it.",
            ),
        ],
    ),
    (
        "SIGNALS",
        &[
            ("SIGHUP", "The daemon reads the release file and the certificate again."),
            (
                "SIGTERM, SIGINT",
                "The daemon ends: it takes no new connection, ends those that it has without a reset, and \
                 answers by UDP until that is done.",
            ),
        ],
    ),
];

/// What a reader needs beside this.
const OTHERS: [(&str, &str); 4] =
    [("dig", "1"), ("systemctl", "1"), ("journalctl", "1"), ("systemd.socket", "5")];
