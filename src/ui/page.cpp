#include "ui/page.h"

#include <array>

#include "embedded.h"

namespace weft::ui {
namespace {

template <size_t N>
std::string_view text_of(const unsigned char (&bytes)[N]) {
  return {reinterpret_cast<const char*>(bytes), N};
}

constexpr const char* kScript = "text/javascript; charset=utf-8";

}  // namespace

std::span<const PageFile> page_files() {
  static const std::array<PageFile, 9> kFiles = {{
      {"/", "text/html; charset=utf-8", text_of(index_html)},
      {"/style.css", "text/css; charset=utf-8", text_of(style_css)},
      {"/icon.svg", "image/svg+xml", text_of(icon_svg)},
      {"/app.js", kScript, text_of(app_js)},
      {"/dom.js", kScript, text_of(dom_js)},
      {"/flows.js", kScript, text_of(flows_js)},
      {"/layout.js", kScript, text_of(layout_js)},
      {"/map.js", kScript, text_of(map_js)},
      {"/trace.js", kScript, text_of(trace_js)},
  }};
  return kFiles;
}

}  // namespace weft::ui
