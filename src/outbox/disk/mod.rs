//! A store on a disk: one file of the embedded database `redb`.
//!
//! A commit is one transaction, synced before it returns. Commits save the allocator's state and
//! sync twice (`quick_repair`), so that opening after a crash neither walks the whole file nor
//! refuses it whole for one flipped bit in a value: values carry their own checksums and are found
//! out one by one. After a failed write or sync nothing in memory is believed any more: the file is
//! opened anew by the next use, so that it goes on when the disk does.

#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use archipelago_router::outbox::{Change, Entry, Store, StoreError};
use bytes::Bytes;
use redb::{Database, DatabaseError, TableDefinition};

const TABLE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("outbox");

/// What the database may cache, in bytes; its default is a gigabyte.
const CACHE_BYTES: usize = 4 << 20;

type Open = Box<dyn FnMut() -> Result<Database, DatabaseError> + Send>;

/// A store in one file. It is locked against other processes while it is open.
pub struct Disk {
    open: Open,
    /// `None` after a failure, until the next use.
    database: Option<Database>,
    is_damaged: bool,
}

impl Disk {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`StoreError`] where it is open elsewhere, cannot be read or written, or is no such file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        Self::with(Box::new(move || builder().create(&path)))
    }

    fn with(open: Open) -> Result<Self, StoreError> {
        let mut disk = Self {
            open,
            database: None,
            is_damaged: false,
        };
        disk.check()?;
        Ok(disk)
    }

    /// Reads the whole file and compares its checksums. What is damaged is used all the same, since
    /// most of it may be whole; but then entries may be missing, and that is known.
    fn check(&mut self) -> Result<(), StoreError> {
        self.run(|_| Ok(()))?;
        let mut database = self.database.take();
        let checked = catch_unwind(AssertUnwindSafe(|| {
            database.as_mut().map(Database::check_integrity)
        }));
        self.is_damaged = !matches!(checked, Ok(Some(Ok(true))));
        if self.is_damaged {
            // Opened anew: what a failed check leaves in memory is not believed.
            drop(database);
            self.run(|_| Ok(()))
        } else {
            self.database = database;
            Ok(())
        }
    }

    /// Runs one operation; after a failure the database is opened anew by the next. What it calls
    /// may also panic on a corrupt file: that is a failure like another.
    fn run<T>(
        &mut self,
        work: impl FnOnce(&Database) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let database = match self.database.take() {
                Some(database) => database,
                None => (self.open)().map_err(Fault::before)?,
            };
            let done = work(&database)?;
            self.database = Some(database);
            Ok(done)
        }));
        let ran = ran.unwrap_or_else(|_| Err(Fault::after("the database panicked")));
        ran.map_err(|Fault(error)| error)
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

impl Store for Disk {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.run(|database| {
            let mut transaction = database.begin_write().map_err(Fault::before)?;
            transaction.set_quick_repair(true);
            {
                let mut table = transaction.open_table(TABLE).map_err(Fault::before)?;
                for change in changes {
                    match change {
                        Change::Put(key, value) => table.insert(&**key, &**value),
                        Change::Delete(key) => table.remove(&**key),
                    }
                    .map_err(Fault::before)?;
                }
            }
            transaction.commit().map_err(Fault::after)
        })
    }

    fn read(&mut self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.run(|database| {
            let Some(table) = table(database)? else {
                return Ok(None);
            };
            let value = table.get(key).map_err(Fault::before)?;
            Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
        })
    }

    fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    fn scan(&mut self, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        self.run(|database| {
            let mut found = Vec::new();
            let Some(table) = table(database)? else {
                return Ok(found);
            };
            for entry in table.range(prefix..).map_err(Fault::before)? {
                let (key, value) = entry.map_err(Fault::before)?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                let key = Bytes::copy_from_slice(key.value());
                found.push((key, Bytes::copy_from_slice(value.value())));
            }
            Ok(found)
        })
    }
}

type Table = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The table, `None` before anything was written.
fn table(database: &Database) -> Result<Option<Table>, Fault> {
    let transaction = database.begin_read().map_err(Fault::before)?;
    match transaction.open_table(TABLE) {
        Ok(table) => Ok(Some(table)),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(Fault::before(error)),
    }
}

struct Fault(StoreError);

impl Fault {
    /// Nothing can have been written.
    fn before(error: impl Into<redb::Error>) -> Self {
        Self::new(&error.into(), false)
    }

    /// It may have been.
    fn after(error: impl Into<Failure>) -> Self {
        match error.into() {
            Failure::Error(error) => Self::new(&error, true),
            Failure::Text(reason) => Self(StoreError {
                reason: reason.to_owned(),
                is_uncertain: true,
                is_full: false,
            }),
        }
    }

    fn new(error: &redb::Error, is_uncertain: bool) -> Self {
        let kind = match error {
            redb::Error::Io(error) => Some(error.kind()),
            _ => None,
        };
        Self(StoreError {
            reason: error.to_string(),
            is_uncertain,
            is_full: kind == Some(std::io::ErrorKind::StorageFull),
        })
    }
}

enum Failure {
    Error(redb::Error),
    Text(&'static str),
}

impl From<redb::CommitError> for Failure {
    fn from(error: redb::CommitError) -> Self {
        Self::Error(error.into())
    }
}

impl From<&'static str> for Failure {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("is_open", &self.database.is_some())
            .finish_non_exhaustive()
    }
}
