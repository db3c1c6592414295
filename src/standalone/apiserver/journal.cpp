#include "standalone/apiserver/journal.h"

#include <fmt/core.h>
#include <sqlite3.h>

namespace weft::standalone {
namespace {

/// WAL with synchronous=NORMAL: a commit is in the kernel's hands when it returns, so that it survives kill
/// -9, and costs no wait for the disk.
constexpr const char* kSetUp =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "PRAGMA application_id = 0x77656674;"
    "CREATE TABLE IF NOT EXISTS objects (resource TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL,"
    "  text TEXT NOT NULL, PRIMARY KEY (resource, key)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL);";

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

std::unexpected<Error> database_error(sqlite3* db, std::string_view what) {
  auto code = sqlite3_errcode(db) == SQLITE_BUSY ? ErrorCode::unavailable : ErrorCode::internal;
  return fail(code, fmt::format("{}: {}", what, sqlite3_errmsg(db)));
}

void bind(sqlite3_stmt* statement, int index, const std::string& text) {
  sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}

class SqliteJournal : public Journal {
 public:
  static Expected<std::unique_ptr<SqliteJournal>> open(const std::string& file) {
    auto journal = std::make_unique<SqliteJournal>();
    sqlite3* raw = nullptr;
    int result = sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    journal->db_.reset(raw);
    if (result != SQLITE_OK || sqlite3_exec(raw, kSetUp, nullptr, nullptr, nullptr) != SQLITE_OK) {
      return database_error(raw, file);
    }
    WEFT_TRY(journal->put_, journal->prepare("INSERT OR REPLACE INTO objects VALUES (?1, ?2, ?3, ?4)"));
    WEFT_TRY(journal->erase_, journal->prepare("DELETE FROM objects WHERE resource = ?1 AND key = ?2"));
    WEFT_TRY(journal->count_, journal->prepare("INSERT OR REPLACE INTO state VALUES (1, ?1)"));
    WEFT_TRY(journal->begin_, journal->prepare("BEGIN IMMEDIATE"));
    WEFT_TRY(journal->end_, journal->prepare("COMMIT"));
    WEFT_TRY(journal->undo_, journal->prepare("ROLLBACK"));
    return journal;
  }

  Expected<void> restore(Store& store) {
    WEFT_TRY(auto rows, prepare("SELECT resource, key, version, text FROM objects"));
    auto text = [&](int column) {
      const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(rows.get(), column));
      return std::string(bytes ? bytes : "", sqlite3_column_bytes(rows.get(), column));
    };
    int result = 0;
    while ((result = sqlite3_step(rows.get())) == SQLITE_ROW) {
      boost::system::error_code bad;
      auto value = json::parse(text(3), bad);
      if (bad) return fail(ErrorCode::internal, fmt::format("{} {}: {}", text(0), text(1), bad.message()));
      store.restore(text(0), text(1), std::move(value), sqlite3_column_int64(rows.get(), 2));
    }
    if (result != SQLITE_DONE) return database_error(db_.get(), "read the objects");
    WEFT_TRY(auto state, prepare("SELECT version FROM state"));
    if (sqlite3_step(state.get()) == SQLITE_ROW) store.restore_version(sqlite3_column_int64(state.get(), 0));
    return {};
  }

  Expected<void> commit(const std::vector<Row>& rows, uint64_t version) override {
    if (auto done = write(rows, version); !done) {
      (void)run(undo_);
      return done;
    }
    return {};
  }

 private:
  Expected<Statement> prepare(const char* sql) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db_.get(), sql, -1, &raw, nullptr) != SQLITE_OK)
      return database_error(db_.get(), sql);
    return Statement(raw);
  }

  Expected<void> run(const Statement& statement) {
    int result = sqlite3_step(statement.get());
    sqlite3_reset(statement.get());
    if (result != SQLITE_DONE) return database_error(db_.get(), "write the state");
    return {};
  }

  Expected<void> write(const std::vector<Row>& rows, uint64_t version) {
    WEFT_CHECK(run(begin_));
    for (const auto& row : rows) {
      const auto& statement = row.text.empty() ? erase_ : put_;
      bind(statement.get(), 1, row.resource);
      bind(statement.get(), 2, row.key);
      if (!row.text.empty()) {
        sqlite3_bind_int64(statement.get(), 3, static_cast<int64_t>(version));
        bind(statement.get(), 4, row.text);
      }
      WEFT_CHECK(run(statement));
    }
    sqlite3_bind_int64(count_.get(), 1, static_cast<int64_t>(version));
    WEFT_CHECK(run(count_));
    return run(end_);
  }

  Database db_;
  Statement put_, erase_, count_, begin_, end_, undo_;
};

}  // namespace

Expected<void> open_journal(const std::string& file, Store& store) {
  auto journal = SqliteJournal::open(file);
  if (!journal) return std::unexpected(journal.error());
  if (auto restored = (*journal)->restore(store); !restored) return in_context(file, restored.error());
  store.set_journal(std::move(*journal));
  return {};
}

}  // namespace weft::standalone
