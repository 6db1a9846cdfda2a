//! An echo on tokio with the loop of tokio's own first example: an error of accept leaves `main`.

use peers::{echo, listen};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = listen()?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(echo(stream));
    }
}
