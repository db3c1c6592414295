#include "standalone/sandbox/container_spec.h"

#include <boost/json.hpp>

namespace weft::standalone::sandbox {

namespace json = boost::json;

namespace {

json::array strings(const std::vector<std::string>& list) {
  json::array out;
  for (const auto& item : list) out.emplace_back(item);
  return out;
}

json::array numbers(const std::vector<gid_t>& list) {
  json::array out;
  for (gid_t item : list) out.emplace_back(item);
  return out;
}

std::string text_of(const json::value& value) { return std::string(value.as_string()); }

std::vector<std::string> strings_of(const json::value& value) {
  std::vector<std::string> out;
  for (const auto& item : value.as_array()) out.push_back(text_of(item));
  return out;
}

}  // namespace

std::string encode_spec(const ContainerSpec& s) {
  json::array mounts;
  for (const auto& m : s.mounts) mounts.emplace_back(json::array{m.source, m.target, m.read_only});
  return json::serialize(json::object{{"enter", s.enter},
                                      {"tty", s.tty},
                                      {"netns", s.netns},
                                      {"hostname", s.hostname},
                                      {"own_pids", s.own_pids},
                                      {"mounts", std::move(mounts)},
                                      {"scratch", s.scratch},
                                      {"program", s.program},
                                      {"argv", strings(s.argv)},
                                      {"env", strings(s.env)},
                                      {"cwd", s.cwd},
                                      {"uid", s.uid},
                                      {"gid", s.gid},
                                      {"groups", numbers(s.groups)}});
}

Expected<ContainerSpec> decode_spec(std::string_view text) {
  boost::system::error_code error;
  auto value = json::parse({text.data(), text.size()}, error);
  if (error) return fail(ErrorCode::bad_request, "container description: " + error.message());
  try {
    const auto& o = value.as_object();
    ContainerSpec s;
    s.enter = o.at("enter").as_bool();
    s.tty = o.at("tty").as_bool();
    s.netns = text_of(o.at("netns"));
    s.hostname = text_of(o.at("hostname"));
    s.own_pids = o.at("own_pids").as_bool();
    for (const auto& item : o.at("mounts").as_array()) {
      const auto& m = item.as_array();
      s.mounts.push_back({text_of(m.at(0)), text_of(m.at(1)), m.at(2).as_bool()});
    }
    s.scratch = text_of(o.at("scratch"));
    s.program = text_of(o.at("program"));
    s.argv = strings_of(o.at("argv"));
    s.env = strings_of(o.at("env"));
    s.cwd = text_of(o.at("cwd"));
    s.uid = o.at("uid").to_number<uid_t>();
    s.gid = o.at("gid").to_number<gid_t>();
    for (const auto& group : o.at("groups").as_array()) s.groups.push_back(group.to_number<gid_t>());
    return s;
  } catch (const std::exception& e) {
    return fail(ErrorCode::bad_request, std::string("container description: ") + e.what());
  }
}

}  // namespace weft::standalone::sandbox
