//! A real `sshd` on loopback in front of the repositories of a [`GitServer`].
//!
//! The system's own OpenSSH, as the user who runs the tests, with keys and configuration made for
//! the run: nothing of the machine's configuration is read. Users' keys are made by `ssh-keygen`.

mod keys;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;

use crate::git_server::GitServer;
use crate::process::{self, Child, Launch};

pub use self::keys::{KeyFormat, KeyType, UserKey};

/// Where systems that keep servers out of users' `PATH` have it.
const SBIN: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// Where sshd drops its privileges to. It refuses to start as root without, and what makes it is
/// otherwise the system's service, which need not have run.
const PRIVILEGE_SEPARATION: &str = "/run/sshd";

/// How long the server may take to start. A tenth of a second is usual.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a login is unfinished at most, in seconds.
const LOGIN_GRACE_SECONDS: u32 = 30;

/// What the server writes when it lets somebody in.
const LOGIN_MARK: &str = "Accepted publickey";

/// Why there is no server, or why it did not do what the testkit asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not there.
    #[error(
        "sshd is not installed; install OpenSSH's server with the system's package manager \
         (openssh-server on most)"
    )]
    NotInstalled,
    /// The program did not run.
    #[error(transparent)]
    Process(process::Error),
    /// A file could not be read or written.
    #[error("could not use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program could not be asked.
    #[error("could not run {program}; is OpenSSH's client installed?")]
    Run {
        /// The program.
        program: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program said no.
    #[error("{program} failed: {text}")]
    Failed {
        /// The program.
        program: &'static str,
        /// What it said.
        text: String,
    },
}

/// A running server. Stops when dropped.
#[derive(Debug)]
pub struct SshServer {
    process: Child,
    port: u16,
    user: String,
    repositories: PathBuf,
}

/// How a server is to be. The default has a key of each type and lets clients choose the version
/// of git's protocol.
#[derive(Debug, Clone)]
pub struct Builder {
    host_keys: Vec<KeyType>,
    protocol_v0: bool,
}

impl Builder {
    /// The types of the keys that the server can show.
    #[must_use]
    pub fn host_keys(mut self, types: &[KeyType]) -> Self {
        self.host_keys = types.to_vec();
        self
    }

    /// Ignores the client's wish for version 2 of git's protocol, as servers do that are not told
    /// to accept it.
    #[must_use]
    pub fn protocol_v0(mut self) -> Self {
        self.protocol_v0 = true;
        self
    }

    /// Starts the server for the repositories of `git`, on a free port.
    pub async fn start(self, git: &GitServer) -> Result<SshServer, Error> {
        let program = find_sshd()?;
        let user = keys::run("id", &["-un"])?.trim().to_owned();
        prepare_privilege_separation()?;
        let start = async || self.launch(&program).await;
        let port_taken = |error: &_| matches!(error, Error::Process(error) if error.port_taken());
        let (process, port) = process::with_fresh_ports(start, port_taken).await?;
        Ok(SshServer {
            process,
            port,
            user,
            repositories: git.root().to_owned(),
        })
    }

    async fn launch(&self, program: &Path) -> Result<(Child, u16), Error> {
        let launch = Launch::new("sshd", program.to_owned()).map_err(Error::Process)?;
        let scratch = launch.scratch().to_owned();
        for key_type in &self.host_keys {
            let file = scratch.join(key_type.host_key_file());
            keys::generate(*key_type, KeyFormat::Openssh, "", &file)?;
        }
        let port = process::free_port().map_err(Error::Process)?;
        let config = scratch.join("sshd_config");
        write(&config, &self.config(&scratch, port))?;
        write(&scratch.join("authorized_keys"), "")?;
        let launch = launch.args([
            "-D".to_owned(),
            "-e".to_owned(),
            "-f".to_owned(),
            config.display().to_string(),
        ]);
        let mut process = launch.spawn().map_err(Error::Process)?;
        let ready = process.ready(START_LIMIT, async || answers(port).await);
        ready.await.map_err(Error::Process)?;
        Ok((process, port))
    }

    fn config(&self, scratch: &Path, port: u16) -> String {
        let scratch = scratch.display();
        let host_keys = self.host_keys.iter();
        let host_keys = host_keys.map(|it| format!("HostKey {scratch}/{}\n", it.host_key_file()));
        let accept = if self.protocol_v0 {
            ""
        } else {
            "AcceptEnv GIT_PROTOCOL\n"
        };
        format!(
            "ListenAddress 127.0.0.1:{port}\n\
             {}\
             AuthorizedKeysFile {scratch}/authorized_keys\n\
             AuthenticationMethods publickey\n\
             PermitRootLogin prohibit-password\n\
             StrictModes no\n\
             UsePAM no\n\
             PidFile none\n\
             LoginGraceTime {LOGIN_GRACE_SECONDS}\n\
             MaxStartups 100\n\
             {accept}\
             SetEnv GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 LC_ALL=C\n",
            host_keys.collect::<String>()
        )
    }
}

impl SshServer {
    /// Starts to describe a server.
    pub fn builder() -> Builder {
        Builder {
            host_keys: KeyType::ALL.to_vec(),
            protocol_v0: false,
        }
    }

    /// Where the repository `name` is served, whether or not it exists.
    pub fn url(&self, name: &str) -> String {
        format!(
            "ssh://{}@127.0.0.1:{}{}/{name}.git",
            self.user,
            self.port,
            self.repositories.display()
        )
    }

    /// The server's name in `known_hosts`.
    pub fn host_name(&self) -> String {
        format!("[127.0.0.1]:{}", self.port)
    }

    /// The line of `known_hosts` for a key of the server.
    pub fn known_hosts(&self, key_type: KeyType) -> Result<String, Error> {
        Ok(format!(
            "{} {}\n",
            self.host_name(),
            self.host_key(key_type)?
        ))
    }

    /// A key of the server: its type and its base64, as `known_hosts` has it.
    pub fn host_key(&self, key_type: KeyType) -> Result<String, Error> {
        let file = self.scratch_file(&format!("{}.pub", key_type.host_key_file()));
        Ok(without_comment(&read(&file)?))
    }

    /// Lets a key in. `options` stand before it in `authorized_keys`, such as `command="…"`, which
    /// is then run in place of what is asked for.
    pub fn authorize(&self, key: &UserKey, options: &str) -> Result<(), Error> {
        let path = self.scratch_file("authorized_keys");
        let line = format!("{options} {}\n", key.public.trim_end());
        let appended = OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.trim_start().as_bytes()));
        appended.map_err(|source| Error::File { path, source })
    }

    /// How often somebody was let in.
    pub fn logins(&self) -> Result<usize, Error> {
        let log = read(&self.scratch_file("sshd.log"))?;
        Ok(log.matches(LOGIN_MARK).count())
    }

    fn scratch_file(&self, name: &str) -> PathBuf {
        self.process.scratch().join(name)
    }
}

/// Looks in `PATH` and where servers are.
fn find_sshd() -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SBIN.iter().map(PathBuf::from))
        .map(|folder| folder.join("sshd"))
        // It has to be started by its whole path, for it starts itself again for each connection.
        .find(|path| path.is_absolute() && path.is_file())
        .ok_or(Error::NotInstalled)
}

/// Makes the folder that sshd wants if root starts it; any other user's needs none.
fn prepare_privilege_separation() -> Result<(), Error> {
    let failed = |path: &str, source| Error::File {
        path: path.into(),
        source,
    };
    let own = fs::metadata("/proc/self").map_err(|source| failed("/proc/self", source))?;
    if own.uid() != 0 {
        return Ok(());
    }
    let mut folder = DirBuilder::new();
    let made = folder
        .recursive(true)
        .mode(0o755)
        .create(PRIVILEGE_SEPARATION);
    made.map_err(|source| failed(PRIVILEGE_SEPARATION, source))
}

async fn answers(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await else {
        return false;
    };
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line).await;
    read.is_ok() && line.starts_with("SSH-2.0-")
}

fn without_comment(public: &str) -> String {
    let fields: Vec<&str> = public.split_whitespace().take(2).collect();
    fields.join(" ")
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, content: &str) -> Result<(), Error> {
    fs::write(path, content).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}
