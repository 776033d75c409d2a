//! Server processes that never outlive the test process.
//!
//! Each server runs under a few lines of `sh` which hold the read end of a pipe. The write end is
//! ours, so the kernel closes it however we end: on drop, at exit, on a panic and on `kill -9`.
//! The shell then kills the server and removes its folder. Nothing here knows what a server does.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// `sh -c SUPERVISOR supervisor SCRATCH PROGRAM ARGUMENTS…`: prints the server's process id, then
/// ends with the server's status, or when its standard input does.
const SUPERVISOR: &str = r#"
scratch=$1
shift
exec 3<&0 </dev/null
"$@" 3<&- >&2 &
server=$!
trap 'asked=1; kill -KILL "$server" 2>/dev/null' USR1
(read -r _ <&3; kill -USR1 $$) >/dev/null &
watcher=$!
echo "$server"
exec >&2 3<&-
wait "$server"
status=$?
if [ -n "$asked" ]; then
    wait "$server"
    rm -rf "$scratch" || { sleep 1; rm -rf "$scratch"; }
fi
kill "$watcher" 2>/dev/null
exit "$status"
"#;

/// How often a starting server is asked whether it is ready.
const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// How often [`with_fresh_ports`] tries.
const START_ATTEMPTS: usize = 3;

/// How much of the end of a log an error quotes, in bytes.
const LOG_TAIL: usize = 4096;

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder or the process could not be made.
    #[error("could not start {name}")]
    Spawn {
        /// The server.
        name: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The process ended by itself.
    #[error("{name} ended before it was ready ({status}); its log ends with\n{log}")]
    Exited {
        /// The server.
        name: &'static str,
        /// The status it ended with.
        status: ExitStatus,
        /// The end of what it wrote.
        log: LogTail,
    },
    /// The process runs and does not answer.
    #[error("{name} was not ready within {} s; its log ends with\n{log}", limit.as_secs())]
    NotReady {
        /// The server.
        name: &'static str,
        /// How long it had.
        limit: Duration,
        /// The end of what it wrote.
        log: LogTail,
    },
    /// The loopback interface has no port left.
    #[error("could not find a free port")]
    Port(#[source] io::Error),
}

impl Error {
    /// Whether the server ended because another process had its port.
    pub fn port_taken(&self) -> bool {
        matches!(self, Self::Exited { log, .. } if log.0.to_ascii_lowercase().contains("address already in use"))
    }
}

/// The end of a server's log: at most 4 KiB, without control characters other than line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTail(String);

impl LogTail {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap_or_default();
        Self::of(&bytes)
    }

    pub(crate) fn of(bytes: &[u8]) -> Self {
        let tail = &bytes[bytes.len().saturating_sub(LOG_TAIL)..];
        let printable = |character: &char| *character == '\n' || !character.is_control();
        Self(
            String::from_utf8_lossy(tail)
                .chars()
                .filter(printable)
                .collect(),
        )
    }
}

impl std::fmt::Display for LogTail {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A server about to be started.
#[derive(Debug)]
pub struct Launch {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    scratch: TempDir,
}

impl Launch {
    /// Prepares `program`, called `name` in errors, with a new empty folder of its own.
    pub fn new(name: &'static str, program: PathBuf) -> Result<Self, Error> {
        let scratch = tempfile::Builder::new()
            .prefix(&format!("image-update-{name}-"))
            .tempdir()
            .map_err(|source| Error::Spawn { name, source })?;
        Ok(Self {
            name,
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            scratch,
        })
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment, which otherwise has only `PATH`.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The server's folder. It goes away with the server and has its log, `<name>.log`.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Starts the process. It may not be ready: see [`Child::ready`].
    #[expect(clippy::disallowed_methods, reason = "a test server is a process")]
    pub fn spawn(self) -> Result<Child, Error> {
        let name = self.name;
        let failed = |source| Error::Spawn { name, source };

        let log = self.scratch.path().join(format!("{name}.log"));
        let log_file = File::create(&log).map_err(failed)?;
        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(self.scratch.path())
            .arg(&self.program)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file)
            // Out of the terminal's foreground group: Ctrl-C must reach us, not the supervisor.
            .process_group(0)
            .spawn()
            .map_err(failed)?;

        let mut pid = String::new();
        if let Some(stdout) = supervisor.stdout.take() {
            BufReader::new(stdout).read_line(&mut pid).map_err(failed)?;
        }
        let pid = pid
            .trim()
            .parse()
            .map_err(|_| failed(io::ErrorKind::UnexpectedEof.into()))?;
        Ok(Child {
            name,
            supervisor,
            pid,
            log,
            scratch: self.scratch,
        })
    }
}

/// A tick in what the kernel says of processor time: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
const TICK_MILLIS: u64 = 10;

/// A running server: killed, and its folder removed, on drop.
#[derive(Debug)]
pub struct Child {
    name: &'static str,
    supervisor: std::process::Child,
    pid: u32,
    log: PathBuf,
    // The supervisor removes the folder too, but not if the server ended by itself.
    scratch: TempDir,
}

impl Child {
    /// The server's own process id, not its supervisor's.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The server's folder, as [`Launch::scratch`].
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The processor time that it has taken so far, in user and system mode.
    ///
    /// # Errors
    ///
    /// If the kernel does not say, as on anything but Linux.
    pub fn processor_time(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        let fields = stat.rsplit(')').next().unwrap_or_default();
        // Fields 14 and 15; the second one ends with the parenthesis.
        let times = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks.saturating_mul(TICK_MILLIS)))
    }

    /// What it has resident at this moment, and what it had at most, in MiB.
    ///
    /// # Errors
    ///
    /// If the kernel does not say, as on anything but Linux.
    pub fn resident_mib(&self) -> io::Result<(f64, f64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            number.and_then(|text| text.parse::<f64>().ok())
        };
        let unknown = || io::Error::other("the kernel does not say what is resident");
        let (now, most) = kib("VmRSS:").zip(kib("VmHWM:")).ok_or_else(unknown)?;
        Ok((now / 1024.0, most / 1024.0))
    }

    /// The end of what the server has written so far.
    pub fn log_tail(&self) -> LogTail {
        LogTail::read(&self.log)
    }

    /// Kills the server and waits until it is gone. Dropping does the same.
    pub fn kill(&mut self) {
        drop(self.supervisor.stdin.take());
        // `sh` and the system fail at nothing here; if they did, there would be nobody to tell.
        self.supervisor.wait().ok();
    }

    /// Waits until `probe` says yes; stops early if the process ends.
    pub async fn ready(
        &mut self,
        limit: Duration,
        mut probe: impl AsyncFnMut() -> bool,
    ) -> Result<(), Error> {
        let name = self.name;
        let deadline = Instant::now() + limit;
        loop {
            let ended = self
                .supervisor
                .try_wait()
                .map_err(|source| Error::Spawn { name, source })?;
            if let Some(status) = ended {
                return Err(Error::Exited {
                    name,
                    status,
                    log: self.log_tail(),
                });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::NotReady {
                    name,
                    limit,
                    log: self.log_tail(),
                });
            }
            if tokio::time::timeout(left, probe()).await == Ok(true) {
                return Ok(());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of the loopback interface that was free a moment ago.
///
/// Another process may take it before the server does: see [`with_fresh_ports`].
pub fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::Port)?;
    Ok(listener.local_addr().map_err(Error::Port)?.port())
}

/// Calls `start` again, up to three times in all, while its error is `port_taken`.
pub async fn with_fresh_ports<S, E>(
    mut start: impl AsyncFnMut() -> Result<S, E>,
    port_taken: impl Fn(&E) -> bool,
) -> Result<S, E> {
    for _ in 1..START_ATTEMPTS {
        match start().await {
            Err(error) if port_taken(&error) => {}
            result => return result,
        }
    }
    start().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_tail_keeps_the_end_and_drops_control_characters() {
        assert_eq!(
            LogTail::of(b"one\ntwo\x1b[0m\r\n").to_string(),
            "one\ntwo[0m\n"
        );
        let long = [b"start".as_slice(), &[b'x'; LOG_TAIL]].concat();
        assert_eq!(LogTail::of(&long).to_string(), "x".repeat(LOG_TAIL));
    }

    #[tokio::test]
    async fn a_process_that_ends_is_reported_with_its_status_and_log() {
        let mut child = launch("echo broken >&2; exit 3")
            .spawn()
            .expect("sh starts");
        let error = child.ready(Duration::from_secs(10), async || false).await;
        let Err(Error::Exited { status, log, .. }) = error else {
            unreachable!("the process ended, but ready said {error:?}");
        };
        assert_eq!(
            (status.code(), log.to_string().as_str()),
            (Some(3), "broken\n")
        );
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_reported() {
        let launch = Launch::new("absent", "/nonexistent/program".into()).expect("a folder");
        let mut child = launch.spawn().expect("the supervisor itself starts");
        let error = child.ready(Duration::from_secs(10), async || false).await;
        assert!(matches!(error, Err(Error::Exited { .. })), "{error:?}");
    }

    #[tokio::test]
    async fn a_process_that_never_answers_is_given_up_on() {
        let mut child = launch("echo waiting; exec sleep 60")
            .spawn()
            .expect("sh starts");
        let error = child
            .ready(Duration::from_millis(200), async || false)
            .await;
        assert!(matches!(error, Err(Error::NotReady { .. })), "{error:?}");
    }

    #[test]
    fn drop_kills_the_process_and_removes_its_folder() {
        // A server that will not end when asked nicely.
        let child = launch("trap '' TERM INT HUP; while :; do sleep 0.1; done").spawn();
        let child = child.expect("sh starts");
        let (pid, folder) = (child.pid(), child.scratch().to_owned());
        assert!(is_running(pid) && folder.exists());
        drop(child);
        assert!(!is_running(pid) && !folder.exists());
    }

    #[tokio::test]
    async fn only_a_taken_port_is_tried_again() {
        for (log, attempts) in [("bind: address already in use", START_ATTEMPTS), ("no", 1)] {
            let mut count = 0;
            let start = async || {
                count += 1;
                let status = ExitStatus::default();
                Err::<(), _>(Error::Exited {
                    name: "x",
                    status,
                    log: LogTail(log.into()),
                })
            };
            let result = with_fresh_ports(start, Error::port_taken);
            result.await.expect_err("no attempt succeeds");
            assert_eq!(count, attempts, "{log}");
        }
    }

    fn launch(script: &str) -> Launch {
        Launch::new("sh", "sh".into())
            .expect("a folder")
            .args(["-c", script])
    }

    #[expect(clippy::disallowed_methods, reason = "asks the system about a process")]
    fn is_running(pid: u32) -> bool {
        let mut ask = Command::new("sh");
        ask.args(["-c", "kill -0 \"$1\" 2>/dev/null", "sh"])
            .arg(pid.to_string());
        ask.status().expect("sh runs").success()
    }
}
