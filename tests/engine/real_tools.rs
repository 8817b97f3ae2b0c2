//! Tools from the registries, installed as dependencies and used: each is of another kind.
//!
//! They need the registries of Debian, npm and PyPI, as this machine reaches them, and minutes, so `make test` leaves them
//! out.

use std::fs;

use testkit::sandbox::Sandbox;

use super::real_agents::{NODE, trust};

/// A real Python instead of the stand-in of the lab.
const PYTHON: &str = r#"capability: python
summary: Python for this test
presets: [pypi]
install:
  from: moat-lab-authorities
  paths: [/authorities.crt]
  packages: [ca-certificates, python3-pip]
  run:
    - printf '[global]\ncert=/authorities.crt\nbreak-system-packages=true\n' >/etc/pip.conf
  check: python3 --version
"#;

/// A sandbox with dependencies on Debian.
fn with(dependencies: &str) -> Sandbox {
    trust();
    let sandbox = Sandbox::new(&format!("dependencies: [{dependencies}]\n"));
    fs::create_dir(sandbox.path().join("specs")).expect("a folder");
    fs::write(sandbox.path().join("specs/node.yaml"), NODE).expect("written");
    fs::write(sandbox.path().join("specs/python.yaml"), PYTHON).expect("written");
    let mut moat = sandbox.moat(&["apply", "--approve-all"]);
    // Without the deadline of other commands: a browser has several hundred megabytes.
    let output = moat.command.output().expect("moat runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    sandbox
}

/// As a project's own Playwright does: it looks for its browser below the path of the variable.
const PAGE: &str = r#"node -e '
const { chromium } = require("/usr/local/lib/node_modules/playwright");
chromium.launch({ args: ["--no-sandbox"] }).then(async (browser) => {
  const page = await browser.newPage();
  await page.setContent("<h1>shown</h1>");
  await page.screenshot({ path: "/tmp/page.png" });
  console.log(await page.evaluate(() => document.querySelector("h1").getBoundingClientRect().width > 0));
  await browser.close();
})'"#;

#[test]
#[ignore = "needs the registries of npm and PyPI; `make test-engines` runs it"]
fn playwright_shows_a_page_and_a_package_without_a_version_is_installed() {
    let sandbox = with("playwright, 'pip:ipython'");
    assert_eq!(sandbox.sh_ok(PAGE).trim(), "true");
    assert_eq!(sandbox.sh_ok("head -c 4 /tmp/page.png | tail -c 3"), "PNG");
    // Main's user runs it, not only root.
    assert_eq!(sandbox.sh_ok("ipython -c 'print(6 * 7)'").trim(), "42");
    let shown = sandbox.moat(&["deps", "ipython", "--json"]).run();
    let version = sandbox.sh_ok("ipython --version");
    assert!(shown.stdout.contains(&format!("pip:ipython@{}\"", version.trim())), "{shown}{version}");
}
