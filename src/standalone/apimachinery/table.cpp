#include "standalone/apimachinery/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "kube/codec.h"
#include "kube/meta.h"
#include "kube/selector.h"
#include "standalone/apimachinery/json_path.h"
#include "standalone/apimachinery/table_printers.h"

namespace weft::standalone {

using kube::member;

std::string human_duration(std::chrono::seconds duration) {
  int64_t seconds = duration.count();
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 60 * 2) return fmt::format("{}s", seconds);
  // The smaller unit is left out when it is 0 or the larger one says enough.
  auto two = [](int64_t large, char large_unit, int64_t small, char small_unit) {
    if (small == 0) return fmt::format("{}{}", large, large_unit);
    return fmt::format("{}{}{}{}", large, large_unit, small, small_unit);
  };
  int64_t minutes = seconds / 60;
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's');
  if (minutes < 60 * 3) return fmt::format("{}m", minutes);
  int64_t hours = minutes / 60;
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return fmt::format("{}h", hours);
  if (hours < 24 * 8) return two(hours / 24, 'd', hours % 24, 'h');
  if (hours < 24 * 365 * 2) return fmt::format("{}d", hours / 24);
  if (hours < 24 * 365 * 8) return two(hours / 24 / 365, 'y', hours / 24 % 365, 'd');
  return fmt::format("{}y", hours / 24 / 365);
}

std::string age_of(std::string_view time, kube::TimePoint now) {
  auto then = kube::parse_time(time);
  if (!then) return "<unknown>";
  return human_duration(std::chrono::floor<std::chrono::seconds>(now - *then));
}

std::string age_of(const json::value& object, kube::TimePoint now) {
  return age_of(kube::string_at(object, "metadata.creationTimestamp"), now);
}

std::string name_of(const json::value& object) {
  return std::string(kube::string_at(object, "metadata.name"));
}

std::string text_or(const json::value& object, std::string_view path, std::string_view otherwise) {
  auto text = kube::string_at(object, path);
  return std::string(text.empty() ? otherwise : text);
}

int64_t number_at(const json::value& object, std::string_view path, int64_t otherwise) {
  const auto* value = kube::at_path(object, path);
  return value && value->is_number() ? static_cast<int64_t>(value->to_number<double>()) : otherwise;
}

bool true_at(const json::value& object, std::string_view path) {
  const auto* value = kube::at_path(object, path);
  return value && value->is_bool() && value->get_bool();
}

const json::array& list_in(const json::value& object, std::string_view path) {
  static const json::array none;
  const auto* value = kube::at_path(object, path);
  return value && value->is_array() ? value->get_array() : none;
}

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  return parts.empty() ? "<none>" : fmt::format("{}", fmt::join(parts, separator));
}

std::string first_few(const std::vector<std::string>& parts, size_t count) {
  if (parts.empty()) return "<none>";
  auto shown = fmt::format(
      "{}",
      fmt::join(parts.begin(), parts.begin() + static_cast<ptrdiff_t>(std::min(count, parts.size())), ","));
  if (parts.size() <= count) return shown;
  return fmt::format("{} + {} more...", shown, parts.size() - count);
}

std::string labels_text(const json::value* labels) {
  const auto* object = labels ? labels->if_object() : nullptr;
  std::vector<std::string> parts;
  if (object) {
    for (const auto& [key, value] : *object) {
      const auto* text = value.if_string();
      parts.push_back(
          fmt::format("{}={}", std::string_view(key), text ? std::string_view(*text) : std::string_view()));
    }
  }
  std::ranges::sort(parts);
  return joined(parts);
}

std::string selector_text(const json::value* selector) {
  if (!selector || !selector->is_object()) return "<none>";
  auto decoded = kube::decode<kube::LabelSelector>(*selector);
  if (!decoded) return "<error>";
  auto parsed = kube::Selector::from(*decoded);
  if (!parsed) return "<error>";
  return parsed->empty() ? "<none>" : parsed->str();
}

namespace {

const std::vector<Printer>& all_printers() {
  static const std::vector<Printer> printers = [] {
    std::vector<Printer> all;
    for (auto group : {workload_printers, network_printers, gateway_printers, other_printers}) {
      auto some = group();
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }();
  return printers;
}

const Printer* printer_of(const kube::ResourceInfo& kind) {
  const auto& all = all_printers();
  auto at = std::ranges::find_if(
      all, [&](const Printer& printer) { return printer.group == kind.group && printer.kind == kind.kind; });
  return at == all.end() ? nullptr : &*at;
}

json::object definition(std::string_view name, std::string_view type, std::string_view format,
                        std::string_view description, int64_t priority) {
  return {{"name", name},
          {"type", type},
          {"format", format},
          {"description", description},
          {"priority", priority}};
}

/// The columns of a custom kind, or NAME and AGE.
struct CustomColumns {
  const std::vector<PrinterColumn>& columns;

  json::array definitions() const {
    json::array out{definition("Name", "string", "name", "Name of the object.", 0)};
    for (const auto& column : columns) {
      out.push_back(definition(column.name, column.type, column.format, column.description, column.priority));
    }
    if (columns.empty()) out.push_back(definition("Age", "date", "", "Time since it was made.", 0));
    return out;
  }

  json::array cells(const json::value& object, kube::TimePoint now) const {
    json::array out{json::value(name_of(object))};
    for (const auto& column : columns) out.push_back(cell(object, column, now));
    if (columns.empty()) out.emplace_back(age_of(object, now));
    return out;
  }

  static json::value cell(const json::value& object, const PrinterColumn& column, kube::TimePoint now) {
    auto found = json_path(object, column.path);
    if (!found || found->empty()) return nullptr;
    const auto& value = *(*found)[0];
    if (column.type == "date") {
      const auto* text = value.if_string();
      return json::value(text ? age_of(std::string_view(*text), now) : "<unknown>");
    }
    if (column.type == "integer" || column.type == "number" || column.type == "boolean") {
      return value.is_primitive() && !value.is_string() ? value : json::value();
    }
    if (value.is_string() && found->size() == 1) return value;
    std::string text;
    for (const auto* each : *found) {
      const auto* plain = each->if_string();
      text += (text.empty() ? "" : ",") + (plain ? std::string(*plain) : json::serialize(*each));
    }
    return json::value(text);
  }
};

json::array definitions_of(const Printer& printer) {
  json::array out;
  for (const auto& column : printer.columns) {
    out.push_back(definition(column.name, column.type, column.name == "Name" ? "name" : "", "", column.wide));
  }
  return out;
}

json::value row_object(const json::value& object, IncludeObject include) {
  if (include == IncludeObject::object) return object;
  json::object out{{"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}};
  const auto* metadata = member(object, "metadata");
  out["metadata"] = metadata ? *metadata : json::value(json::object{});
  return out;
}

}  // namespace

json::object make_table(const kube::ResourceInfo& kind, const std::vector<PrinterColumn>& columns,
                        const std::vector<const json::value*>& objects, json::object list_metadata,
                        IncludeObject include, kube::TimePoint now, bool with_columns) {
  const auto* printer = columns.empty() ? printer_of(kind) : nullptr;
  CustomColumns custom{columns};
  json::object out{
      {"kind", "Table"}, {"apiVersion", "meta.k8s.io/v1"}, {"metadata", std::move(list_metadata)}};
  json::array definitions = printer ? definitions_of(*printer) : custom.definitions();
  out["columnDefinitions"] = with_columns ? json::value(std::move(definitions)) : json::value(nullptr);
  json::array rows;
  rows.reserve(objects.size());
  for (const auto* object : objects) {
    json::object row;
    if (printer) {
      auto cells = printer->cells(*object, now);
      row["cells"] = json::array(cells.begin(), cells.end());
    } else {
      row["cells"] = custom.cells(*object, now);
    }
    if (include != IncludeObject::none) row["object"] = row_object(*object, include);
    rows.push_back(std::move(row));
  }
  out["rows"] = std::move(rows);
  return out;
}

}  // namespace weft::standalone
