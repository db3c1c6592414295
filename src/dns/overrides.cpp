#include "dns/overrides.h"

#include <fmt/format.h>

namespace weft::dns {

Expected<std::shared_ptr<const Overrides>> Overrides::compile(const Config& config) {
  WEFT_TRY(auto rewriter, Rewriter::compile(config.rewrites));
  return std::shared_ptr<const Overrides>(new Overrides(std::move(rewriter), HostsTable(config.hosts)));
}

void Overrides::resolve(const Zone& zone, const Name& name, Type type, Answer& answer) const {
  auto rewritten = rewriter_.apply(name);
  const Name& asked = rewritten ? rewritten->name : name;
  if (!hosts_.resolve(asked, type, answer)) zone.resolve(asked, type, answer);
  if (!rewritten) return;
  if (answer.explain)
    answer.why.insert(answer.why.begin(),
                      fmt::format("rewrite {}: answered as {}", rewritten->rule + 1, asked.str()));
  if (rewritten->answer_auto) answer.rewritten = asked;
  if (answer.kind != Answer::Kind::outside) return;
  answer.kind = Answer::Kind::chased;
  answer.chase = asked;
}

}  // namespace weft::dns
