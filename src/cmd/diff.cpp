#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cmd/commands.h"
#include "cmd/trace_source.h"
#include "kube/codec.h"
#include "reach/apply.h"
#include "reach/diff.h"
#include "standalone/offline.h"

namespace weft::cmd {
namespace {

struct Flags {
  TraceSource manifests, against;
  std::string format = "text";
};

/// The objects of a cluster, or what these come to, once its controllers have caught up.
trace::Machinery settled(const std::vector<kube::YamlDocument>& objects) {
  auto out = standalone::offline_cluster(objects);
  out.assumed.clear();
  out.complete = [inner = std::move(out.complete)](json::value& object) -> Expected<void> {
    if (kube::string_at(object, "metadata.resourceVersion").empty()) return inner(object);
    // What a server has stored is complete; only which addresses Services have is to be known.
    auto copy = object;
    if (kube::string_at(object, "kind") == "Service") (void)inner(copy);
    return {};
  };
  return out;
}

/// Objects and the world that points into them.
struct Read {
  TraceObjects objects;
  std::unique_ptr<trace::World> world;
};

Expected<void> build(Read& read) {
  WEFT_TRY(read.world, trace::build_world(read.objects.documents, read.objects.machinery));
  std::ranges::copy(read.objects.notes, std::back_inserter(read.world->notes));
  return {};
}

Expected<int> run(const Flags& flags) {
  Read before, after;
  WEFT_TRY(before.objects, read_objects(flags.against));
  WEFT_TRY(after.objects, read_objects(flags.manifests));
  if (flags.against.files.empty()) {
    auto& cluster = before.objects;
    auto complete = settled(cluster.documents).complete;
    WEFT_TRY(after.objects.documents, reach::apply(cluster.documents, after.objects.documents, complete));
    cluster.machinery = settled(cluster.documents);
    after.objects.machinery = settled(after.objects.documents);
  }
  WEFT_CHECK(build(before));
  WEFT_CHECK(build(after));
  auto diff = reach::compare(reach::Reach(*before.world), reach::Reach(*after.world));
  if (flags.format == "json") {
    fmt::print("{}\n", json::serialize(diff.to_json()));
  } else {
    fmt::print("{}", diff.to_text());
  }
  return diff.changes.empty() ? 0 : 1;
}

}  // namespace

void add_diff_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "diff",
      "What manifests would change in who can reach whom, and why: in a cluster that they are applied to, or "
      "beside other manifests. Exit 0 nothing, 1 something");
  command
      ->add_option("-f,--filename", flags->manifests.files,
                   "files or folders of manifests; - reads from standard input")
      ->required();
  auto* against = command->add_option("--against", flags->against.files,
                                      "files or folders with what is there now, instead of a cluster");
  auto* name = command->add_option("--name", flags->against.cluster, "of the cluster that weft up made")
                   ->capture_default_str()
                   ->excludes(against);
  command->add_option("--kubeconfig", flags->against.kubeconfig, "of another cluster")
      ->excludes(against)
      ->excludes(name);
  command->add_option("-o", flags->format, "text, or json as docs/diff.md has it")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->callback([flags, &exit_code] {
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft diff: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
