//! Both ends on one node: what is written is read, and each way to end it.

use futures::FutureExt;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

fn pair(bytes_max: usize) -> (StreamWriter, StreamReader) {
    let pipe = Pipe::new(bytes_max, None);
    (StreamWriter::new(pipe.clone()), StreamReader::new(pipe))
}

#[test]
fn a_writer_waits_for_room_and_hears_when_all_was_read() {
    let (mut writer, mut reader) = pair(4);
    assert_eq!(writer.write("abcdef").now_or_never(), Some(Ok(())));
    // It found room, and was taken whole; the next one finds none.
    assert_eq!(writer.write("g").now_or_never(), None);
    let read = reader.next().now_or_never();
    assert_eq!(read, Some(Ok(Some("abcdef".into()))));
    assert_eq!(reader.next().now_or_never(), None);
    assert_eq!(writer.write("g").now_or_never(), Some(Ok(())));
    assert_eq!(writer.written(), 7);
    let mut finished = Box::pin(writer.finish());
    assert_eq!((&mut finished).now_or_never(), None);
    assert_eq!(reader.next().now_or_never(), Some(Ok(Some("g".into()))));
    assert_eq!(reader.next().now_or_never(), Some(Ok(None)));
    assert_eq!(reader.next().now_or_never(), Some(Ok(None)));
    assert_eq!(finished.now_or_never(), Some(Ok(7)));
}

#[test]
fn a_reader_that_has_read_all_may_be_dropped_before_it_hears_of_the_end() {
    let (mut writer, mut reader) = pair(4);
    assert_eq!(writer.write("ab").now_or_never(), Some(Ok(())));
    assert!(reader.next().now_or_never().is_some());
    let mut finished = Box::pin(writer.finish());
    assert_eq!((&mut finished).now_or_never(), None);
    drop(reader);
    assert_eq!(finished.now_or_never(), Some(Ok(2)));
}

#[test]
fn each_side_hears_why_the_other_gave_up() {
    let (mut writer, mut reader) = pair(8);
    assert_eq!(writer.write("abc").now_or_never(), Some(Ok(())));
    writer.abort("no\nmore");
    let aborted = StreamError::Aborted("no more".to_owned());
    assert_eq!(reader.next().now_or_never(), Some(Err(aborted)));

    let (writer, mut reader) = pair(8);
    drop(writer);
    let dropped = Some(Err(StreamError::WriterDropped));
    assert_eq!(reader.next().now_or_never(), dropped);

    let (mut writer, reader) = pair(2);
    assert_eq!(writer.write("abc").now_or_never(), Some(Ok(())));
    drop(reader);
    let dropped = Some(Err(StreamError::ReaderDropped));
    assert_eq!(writer.write("d").now_or_never(), dropped);
    let dropped = Some(Err(StreamError::ReaderDropped));
    assert_eq!(writer.finish().now_or_never(), dropped);
}

#[test]
fn what_ends_from_outside_ends_both_once_and_frees_what_was_held() {
    let pipe = Pipe::new(8, None);
    let (mut writer, mut reader) = (
        StreamWriter::new(pipe.clone()),
        StreamReader::new(pipe.clone()),
    );
    assert_eq!(writer.write("abc").now_or_never(), Some(Ok(())));
    pipe.end(Err(StreamError::Lost));
    pipe.end(Ok(()));
    assert_eq!(pipe.len(), 0);
    let lost = Err(StreamError::Lost);
    assert_eq!(writer.write("d").now_or_never(), Some(lost.clone()));
    assert_eq!(reader.next().now_or_never(), Some(lost.map(|()| None)));
}

#[tokio::test]
async fn the_traits_of_tokio_move_the_same_bytes() {
    let (mut writer, mut reader) = pair(1_000);
    let body: Vec<u8> = (0..50_000_u32).map(|number| number as u8).collect();
    let sent = Arc::new(body.clone());
    let writing = tokio::spawn(async move {
        writer.write_all(&sent).await?;
        writer.shutdown().await
    });
    let mut received = Vec::new();
    reader.read_to_end(&mut received).await.unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(received, body);
}
