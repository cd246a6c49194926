//! Compiles the listener from Cython against the picows of the interpreter that the module is built for.
//!
//! Only with the feature `listener`, which maturin switches on: `cargo test` and `cargo clippy` need neither Python nor C.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

/// What the interpreter is asked: where its headers are, and which picows it has.
const QUESTION: &str = "import sysconfig, importlib.metadata as m; \
    print(sysconfig.get_path('include')); print(sysconfig.get_path('platinclude')); print(m.version('picows'))";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/_listener.pyx");
    println!("cargo::rerun-if-env-changed=PYO3_PYTHON");
    if std::env::var_os("CARGO_FEATURE_LISTENER").is_none() {
        return Ok(());
    }
    let python = std::env::var_os("PYO3_PYTHON").unwrap_or_else(|| "python3".into());
    let run = |arguments: &[&str]| -> Result<String, Box<dyn Error>> {
        let done = Command::new(&python).args(arguments).output()?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            return Err(
                format!("{}: the listener needs Cython and picows 2.3 beside it\n{said}", python.display()).into()
            );
        }
        Ok(String::from_utf8(done.stdout)?)
    };
    let answers = run(&["-c", QUESTION])?;
    let [include, platform, picows] = answers.lines().collect::<Vec<_>>()[..] else {
        return Err(format!("the interpreter answered {answers:?}").into());
    };
    let c = PathBuf::from(std::env::var("OUT_DIR")?).join("_listener.c");
    let out = c.to_str().ok_or("a folder's name is not UTF-8")?;
    run(&["-m", "cython", "-3", "--module-name", "ringtape._listener", "-o", out, "src/_listener.pyx"])?;
    cc::Build::new()
        .file(&c)
        .include(include)
        .include(platform)
        // Symbols of C are hidden in a Rust library: Rust exports the entry (src/listener.rs) and calls this one.
        .define("PyInit__listener", "rt_cy_PyInit__listener")
        .define("RT_PICOWS", format!("\"{picows}\"").as_str())
        .opt_level(3)
        .warnings(false)
        .try_compile("ringtape_listener")?;
    Ok(())
}
