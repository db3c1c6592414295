#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "standalone/apiserver/store.h"

namespace weft::standalone {

/// Opens (or makes) the SQLite database FILE and puts its objects into `store`, which journals to it from
/// then on. A write that was acknowledged survives the end of the process, however it ends. Fails when the
/// file is no such database, or another process uses it.
Expected<void> open_journal(const std::string& file, Store& store);

}  // namespace weft::standalone
