//! A browser without a screen, driven through its `DevTools` pipe: what it shows and sends is what a person's does.

use super::PATIENCE;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// A browser with one tab.
pub struct Chromium {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    last: i64,
    session: Option<String>,
    /// What the console of the tab, or a script in it, has complained of.
    pub complaints: Vec<String>,
}

impl Chromium {
    /// Starts it, with a profile of its own in `dir`.
    pub fn start(browser: &str, dir: &Path) -> Self {
        // The browser reads commands from descriptor 3, and writes answers to 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", browser])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", dir.join("browser").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                let _ = sender.send(serde_json::from_slice(message.strip_suffix(b"\0").unwrap_or(&message)).unwrap());
                message.clear();
            }
        });
        let mut this = Self { child, input, messages, last: 0, session: None, complaints: Vec::new() };
        let tab = this.ask("Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = this.ask("Target.attachToTarget", &json!({ "targetId": tab, "flatten": true }));
        this.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Log", "Runtime"] {
            this.ask(&format!("{domain}.enable"), &json!({}));
        }
        this
    }

    fn ask(&mut self, method: &str, arguments: &Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": arguments });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let answer = self.messages.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no answer to {message}"));
            let is_error = answer["params"]["entry"]["level"] == "error";
            if is_error || answer["method"] == "Runtime.exceptionThrown" {
                self.complaints.push(answer.to_string());
            }
            if answer["id"] == self.last {
                return answer["result"].clone();
            }
        }
    }

    /// Goes to an address.
    pub fn open(&mut self, url: &str) {
        self.ask("Page.navigate", &json!({ "url": url }));
    }

    /// The value of an expression in the page; null while a page is being left.
    pub fn value(&mut self, expression: &str) -> Value {
        self.ask("Runtime.evaluate", &json!({ "expression": expression, "returnByValue": true }))["result"]["value"]
            .clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.value(expression) != json!(true) {
            assert!(
                Instant::now() < deadline,
                "never {expression}: {}",
                self.value("document.documentElement.outerHTML")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Clicks on the first element that a selector finds, once it is there.
    #[track_caller]
    pub fn click(&mut self, selector: &str) {
        self.wait(&format!("(e => e !== null && (e.click(), true))(document.querySelector({selector:?}))"));
    }

    /// Writes into a field.
    #[track_caller]
    pub fn write(&mut self, selector: &str, text: &str) {
        self.wait(&format!("(e => e !== null && (e.value = {text:?}, true))(document.querySelector({selector:?}))"));
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
