#pragma once

#include <fmt/format.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "dns/config_values.h"
#include "kube/yaml.h"

namespace weft::dns {

/// Reads the keys of one object of a YAML file into values. What is wrong goes to `problems` with its line;
/// a value keeps what it had then. Keys that nobody asked for are errors once it goes.
class YamlObject {
 public:
  YamlObject(const kube::YamlDocument& document, ConfigProblems& problems, const json::value& value,
             std::string path);
  ~YamlObject();
  YamlObject(const YamlObject&) = delete;
  YamlObject& operator=(const YamlObject&) = delete;

  bool has(std::string_view key);
  bool read(std::string_view key, std::string& out);
  bool read(std::string_view key, bool& out);
  bool read(std::string_view key, std::chrono::milliseconds& out);
  /// Whole seconds.
  bool read(std::string_view key, std::chrono::seconds& out);
  bool read(std::string_view key, Name& out);
  bool read(std::string_view key, std::vector<Name>& out);
  bool read(std::string_view key, std::vector<IpPrefix>& out);
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  bool read(std::string_view key, T& out, uint64_t most = std::numeric_limits<int32_t>::max()) {
    uint64_t number = 0;
    if (!read_number(key, number, most)) return false;
    out = static_cast<T>(number);
    return true;
  }
  /// One of a few words.
  template <class T>
  bool read(std::string_view key, T& out, std::initializer_list<std::pair<const char*, T>> words) {
    std::string text;
    if (!read(key, text)) return false;
    for (const auto& [word, value] : words) {
      if (text != word) continue;
      out = value;
      return true;
    }
    std::vector<std::string_view> names;
    for (const auto& [word, value] : words) names.emplace_back(word);
    error(key, fmt::format("\"{}\" is not one of {}", text, fmt::join(names, ", ")));
    return false;
  }
  void object(std::string_view key, const std::function<void(YamlObject&)>& read);
  void objects(std::string_view key, const std::function<void(YamlObject&)>& read);
  /// The texts of a list, with their paths.
  void texts(std::string_view key,
             const std::function<void(const std::string& text, const std::string& path)>& read);
  /// The elements of a list, each either a text or an object.
  void texts_or_objects(std::string_view key,
                        const std::function<void(const std::string& text, const std::string& path)>& text,
                        const std::function<void(YamlObject&)>& object);

  void error(std::string_view key, std::string_view what);
  void error_at(const std::string& path, std::string_view what);

 private:
  const json::value* get(std::string_view key);
  const json::array* list(std::string_view key);
  bool read_number(std::string_view key, uint64_t& out, uint64_t most);
  std::string path_of(std::string_view key) const;

  const kube::YamlDocument& document_;
  ConfigProblems& problems_;
  const json::object* object_ = nullptr;  ///< null: the value is none
  std::string path_;
  std::vector<std::string_view> known_;
};

}  // namespace weft::dns
