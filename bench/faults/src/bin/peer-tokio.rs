//! An echo on tokio whose loop tells an error of accept and goes on, as servers in the field have it.

use peers::{echo, listen};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = listen()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(echo(stream));
            }
            Err(error) => eprintln!("cannot accept: {error}"),
        }
    }
}
