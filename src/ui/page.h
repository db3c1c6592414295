#pragma once

#include <span>
#include <string_view>

namespace weft::ui {

/// A file of the page, as it is in the program.
struct PageFile {
  std::string_view path;  ///< "/app.js"; of the page itself "/"
  std::string_view type;
  std::string_view text;
};

/// All of src/ui/page.
std::span<const PageFile> page_files();

}  // namespace weft::ui
