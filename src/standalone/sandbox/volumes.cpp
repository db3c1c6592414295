#include "standalone/sandbox/volumes.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "kube/base64.h"

namespace weft::standalone::sandbox {

namespace fs = std::filesystem;

namespace {

constexpr mode_t kDefaultMode = 0644;

/// Adds the keys that `items` chooses (all, when there are none).
Expected<void> add_keys(VolumeFiles& files, const kube::StringMap& values,
                        const std::vector<kube::KeyToPath>& items, mode_t mode, bool optional,
                        const std::string& what) {
  if (items.empty()) {
    for (const auto& [key, value] : values) files[key] = {value, mode};
    return {};
  }
  for (const auto& item : items) {
    auto it = values.find(item.key);
    if (it != values.end()) {
      files[item.path] = {it->second, item.mode ? static_cast<mode_t>(*item.mode) : mode};
    } else if (!optional) {
      return fail(ErrorCode::not_found, fmt::format("{} references non-existent key: {}", what, item.key));
    }
  }
  return {};
}

kube::StringMap decoded(const kube::StringMap& base64) {
  kube::StringMap out;
  for (const auto& [key, value] : base64) out[key] = kube::decode_base64(value).value_or("");
  return out;
}

Expected<void> add_config_map(VolumeFiles& files, const std::string& name,
                              const std::vector<kube::KeyToPath>& items, mode_t mode, bool optional,
                              const ConfigSource& source) {
  auto map = source.config_map(name);
  if (!map) {
    if (optional) return {};
    return fail(ErrorCode::not_found, fmt::format("configmap \"{}\" not found", name));
  }
  auto values = decoded(map->binaryData);
  values.insert(map->data.begin(), map->data.end());
  return add_keys(files, values, items, mode, optional, fmt::format("configmap \"{}\"", name));
}

Expected<void> add_secret(VolumeFiles& files, const std::string& name,
                          const std::vector<kube::KeyToPath>& items, mode_t mode, bool optional,
                          const ConfigSource& source) {
  auto secret = source.secret(name);
  if (!secret) {
    if (optional) return {};
    return fail(ErrorCode::not_found, fmt::format("secret \"{}\" not found", name));
  }
  return add_keys(files, decoded(secret->data), items, mode, optional, fmt::format("secret \"{}\"", name));
}

Expected<void> add_downward(VolumeFiles& files, const std::vector<kube::DownwardAPIVolumeFile>& items,
                            mode_t mode, const PodFacts& facts) {
  static const kube::Container kNone;
  for (const auto& item : items) {
    VolumeFile file{"", item.mode ? static_cast<mode_t>(*item.mode) : mode};
    if (item.fieldRef) {
      WEFT_TRY(file.bytes, field_value(facts, item.fieldRef->fieldPath));
    } else if (item.resourceFieldRef) {
      WEFT_TRY(file.bytes, resource_value(facts.pod->spec, kNone, *item.resourceFieldRef));
    }
    files[item.path] = std::move(file);
  }
  return {};
}

Expected<void> add_projected(VolumeFiles& files, const kube::ProjectedVolumeSource& projected,
                             const PodFacts& facts, const ConfigSource& source) {
  auto mode = static_cast<mode_t>(projected.defaultMode.value_or(kDefaultMode));
  for (const auto& from : projected.sources) {
    if (from.configMap) {
      const auto& c = *from.configMap;
      WEFT_CHECK(add_config_map(files, c.name, c.items, mode, c.optional.value_or(false), source));
    } else if (from.secret) {
      const auto& s = *from.secret;
      WEFT_CHECK(add_secret(files, s.name, s.items, mode, s.optional.value_or(false), source));
    } else if (from.downwardAPI) {
      WEFT_CHECK(add_downward(files, from.downwardAPI->items, mode, facts));
    } else {
      return fail(ErrorCode::invalid,
                  "projected volume: only configMap, secret and downwardAPI sources are supported");
    }
  }
  return {};
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What the volume holds now.
VolumeFiles current_files(const fs::path& data) {
  VolumeFiles files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(data, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (!it->is_regular_file(ignored)) continue;
    auto mode = static_cast<mode_t>(it->status(ignored).permissions()) & 07777;
    files[fs::relative(it->path(), data, ignored)] = {read_file(it->path()), mode};
  }
  return files;
}

Expected<void> write_file(const fs::path& path, const VolumeFile& file) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  std::ofstream out(path, std::ios::binary);
  out << file.bytes;
  out.close();
  if (error || !out) return fail(ErrorCode::system, fmt::format("cannot write {}", path.string()));
  if (::chmod(path.c_str(), file.mode) != 0) return fail_errno("chmod " + path.string(), errno);
  return {};
}

/// Links for the first component of every path; names that are gone are removed.
void update_names(const fs::path& folder, const VolumeFiles& files) {
  std::set<std::string> names;
  for (const auto& [path, file] : files) names.insert(path.substr(0, path.find('/')));
  std::error_code error;
  for (const auto& name : names) {
    if (!fs::is_symlink(fs::symlink_status(folder / name, error)))
      fs::create_symlink("..data/" + name, folder / name, error);
  }
  std::vector<fs::path> gone;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    auto name = entry.path().filename().string();
    if (!name.starts_with("..") && !names.contains(name)) gone.push_back(entry.path());
  }
  for (const auto& path : gone) fs::remove_all(path, error);
}

Expected<std::string> host_path(const kube::HostPathVolumeSource& source) {
  const auto type = source.type.value_or("");
  std::error_code error;
  auto status = fs::status(source.path, error);
  bool there = fs::exists(status);
  if (!there && (type == "DirectoryOrCreate" || type == "FileOrCreate")) {
    if (type == "DirectoryOrCreate") {
      fs::create_directories(source.path, error);
    } else {
      std::ofstream(source.path, std::ios::app);
    }
    status = fs::status(source.path, error);
    there = fs::exists(status);
  }
  if (!there)
    return fail(ErrorCode::not_found, fmt::format("hostPath {}: there is no such path", source.path));
  bool directory = fs::is_directory(status);
  bool fits = type.empty() || (type.starts_with("Directory") && directory) ||
              (type.starts_with("File") && fs::is_regular_file(status)) ||
              (type == "Socket" && fs::is_socket(status)) ||
              (type == "CharDevice" && fs::is_character_file(status)) ||
              (type == "BlockDevice" && fs::is_block_file(status));
  if (!fits)
    return fail(ErrorCode::not_found,
                fmt::format("hostPath type check failed: {} is not a {}", source.path, type));
  return source.path;
}

}  // namespace

bool is_object_volume(const kube::Volume& volume) {
  return volume.configMap || volume.secret || volume.downwardAPI || volume.projected;
}

Expected<VolumeFiles> object_volume_files(const kube::Volume& volume, const PodFacts& facts,
                                          const ConfigSource& source) {
  VolumeFiles files;
  if (volume.configMap) {
    const auto& c = *volume.configMap;
    auto mode = static_cast<mode_t>(c.defaultMode.value_or(kDefaultMode));
    WEFT_CHECK(add_config_map(files, c.name, c.items, mode, c.optional.value_or(false), source));
  } else if (volume.secret) {
    const auto& s = *volume.secret;
    auto mode = static_cast<mode_t>(s.defaultMode.value_or(kDefaultMode));
    WEFT_CHECK(add_secret(files, s.secretName, s.items, mode, s.optional.value_or(false), source));
  } else if (volume.downwardAPI) {
    auto mode = static_cast<mode_t>(volume.downwardAPI->defaultMode.value_or(kDefaultMode));
    WEFT_CHECK(add_downward(files, volume.downwardAPI->items, mode, facts));
  } else if (volume.projected) {
    WEFT_CHECK(add_projected(files, *volume.projected, facts, source));
  }
  return files;
}

Expected<void> write_object_volume(const std::string& folder, const VolumeFiles& files) {
  fs::path root(folder), data = root / "..data";
  std::error_code error;
  auto old = fs::read_symlink(data, error);
  if (!error && current_files(root / old) == files) return {};
  fs::create_directories(root, error);
  std::string fresh = folder + "/..XXXXXX";
  if (!::mkdtemp(fresh.data())) return fail_errno("make folder " + fresh, errno);
  ::chmod(fresh.c_str(), 0755);
  for (const auto& [path, file] : files) WEFT_CHECK(write_file(fs::path(fresh) / path, file));
  fs::path link = root / "..data_tmp";
  fs::remove(link, error);
  fs::create_symlink(fs::path(fresh).filename(), link, error);
  fs::rename(link, data, error);
  if (error) return fail(ErrorCode::system, fmt::format("volume {}: {}", folder, error.message()));
  update_names(root, files);
  if (!old.empty()) fs::remove_all(root / old, error);
  return {};
}

Expected<std::string> prepare_plain_volume(const kube::Volume& volume, const std::string& folder) {
  if (volume.hostPath) return host_path(*volume.hostPath);
  if (!volume.emptyDir)
    return fail(
        ErrorCode::invalid,
        fmt::format("volume \"{}\": this kind of volume is not supported; use configMap, secret, emptyDir, "
                    "hostPath, downwardAPI or projected",
                    volume.name));
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || ::chmod(folder.c_str(), 0777) != 0)
    return fail(ErrorCode::system, fmt::format("emptyDir {}: {}", folder, error.message()));
  return folder;
}

Expected<std::vector<MountSpec>> container_mounts(const kube::Container& container,
                                                  const std::map<std::string, std::string>& sources,
                                                  const Environment& environment) {
  std::vector<MountSpec> mounts;
  for (const auto& mount : container.volumeMounts) {
    auto it = sources.find(mount.name);
    if (it == sources.end())
      return fail(ErrorCode::invalid, fmt::format("volumeMounts: there is no volume \"{}\"", mount.name));
    auto sub = mount.subPathExpr.empty() ? mount.subPath : expand(mount.subPathExpr, [&](const auto& name) {
      return find_variable(environment, name);
    });
    fs::path source = it->second;
    if (!sub.empty()) {
      fs::path relative = fs::path(sub).lexically_normal();
      if (relative.is_absolute() || *relative.begin() == "..")
        return fail(ErrorCode::invalid, fmt::format("subPath {}: must stay inside the volume", sub));
      source /= relative;
      std::error_code error;
      if (!fs::exists(source, error)) fs::create_directories(source, error);
    }
    auto target = fs::path(mount.mountPath).lexically_normal().string();
    while (target.size() > 1 && target.back() == '/') target.pop_back();
    mounts.push_back({source, target, mount.readOnly});
  }
  return mounts;
}

}  // namespace weft::standalone::sandbox
