#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kube/json.h"
#include "kube/resource.h"
#include "kube/time.h"

namespace weft::standalone {

struct ColumnDef {
  std::string_view name;
  std::string_view type = "string";
  bool wide = false;  ///< only with -o wide
};

/// How objects of one built-in kind appear in a table: a cell a column, the name first.
struct Printer {
  std::string_view group;
  std::string_view kind;
  std::vector<ColumnDef> columns;
  std::vector<json::value> (*cells)(const json::value& object, kube::TimePoint now);
};

std::vector<Printer> workload_printers();  ///< pods and what makes them
std::vector<Printer> network_printers();   ///< Services, policies and the like
std::vector<Printer> gateway_printers();   ///< Gateway API
std::vector<Printer> other_printers();

/// How long ago a moment was, "<unknown>" for none.
std::string age_of(std::string_view time, kube::TimePoint now);
/// Since metadata.creationTimestamp.
std::string age_of(const json::value& object, kube::TimePoint now);
std::string name_of(const json::value& object);
/// A string at a path, or `otherwise`.
std::string text_or(const json::value& object, std::string_view path, std::string_view otherwise);
int64_t number_at(const json::value& object, std::string_view path, int64_t otherwise = 0);
bool true_at(const json::value& object, std::string_view path);
/// The list at a path; an empty one when there is none.
const json::array& list_in(const json::value& object, std::string_view path);
/// "a=b,c=d", "<none>" when empty.
std::string labels_text(const json::value* labels);
/// A LabelSelector as kubectl prints it.
std::string selector_text(const json::value* selector);
std::string joined(const std::vector<std::string>& parts, std::string_view separator = ",");
/// The first few of a list and how many more there are: "a,b,c + 2 more...".
std::string first_few(const std::vector<std::string>& parts, size_t count);

}  // namespace weft::standalone
