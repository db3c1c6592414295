#include "standalone/apiserver/store.h"

#include <gtest/gtest.h>

#include "standalone/apiserver/status.h"

namespace weft::standalone {
namespace {

json::object object(const std::string& name, int value = 0) {
  return {{"metadata", {{"namespace", "n"}, {"name", name}}}, {"value", value}};
}

class RefusingJournal : public Journal {
 public:
  Expected<void> commit(const std::vector<Row>&, uint64_t) override {
    return fail(ErrorCode::system, "disk is full");
  }
};

TEST(Store, VersionsGrowWithEveryWrite) {
  Store store;
  auto a = store.create("r", object("a"));
  ASSERT_TRUE(a);
  EXPECT_EQ(kube::string_at((*a)->value, "metadata.resourceVersion"), std::to_string((*a)->version));
  EXPECT_EQ(store.create("r", object("a")).error().code, ErrorCode::already_exists);
  auto b = store.update("r", object("a", 2), (*a)->version);
  ASSERT_TRUE(b);
  EXPECT_GT((*b)->version, (*a)->version);
  EXPECT_EQ(store.update("r", object("a", 3), (*a)->version).error().code, ErrorCode::conflict);
  EXPECT_EQ(store.remove("r", "n", "a", (*a)->version).error().code, ErrorCode::conflict);
  auto gone = store.remove("r", "n", "a");
  ASSERT_TRUE(gone);
  EXPECT_GT((*gone)->version, (*b)->version);
  EXPECT_EQ(store.update("r", object("a"), 1).error().code, ErrorCode::not_found);
  auto changes = store.since("r", (*a)->version);
  ASSERT_EQ(changes->size(), 2U);
  EXPECT_EQ((*changes)[1].before, *b);
  EXPECT_TRUE((*changes)[1].deleted);
}

TEST(Store, WhatIsNotWrittenDownDidNotHappen) {
  Store store;
  store.set_journal(std::make_unique<RefusingJournal>());
  auto version = store.version();
  EXPECT_FALSE(store.create("r", object("a")));
  EXPECT_EQ(store.version(), version);
  EXPECT_EQ(store.get("r", "n", "a"), nullptr);
}

TEST(Store, HistoryIsBounded) {
  Store store;
  auto first = (*store.create("r", object("a")))->version;
  auto last = first;
  for (size_t i = 0; i < Store::kHistory + 10; ++i)
    last = (*store.update("r", object("a", static_cast<int>(i)), last))->version;
  auto since = store.since("r", first);
  ASSERT_FALSE(since);
  EXPECT_EQ(since.error().code, ErrorCode::gone);
  auto status = make_status(since.error());
  EXPECT_EQ(status.at("code").as_int64(), 410);
  EXPECT_EQ(status.at("reason").as_string(), "Expired");
  EXPECT_EQ(store.since("r", last)->size(), 0U);
  EXPECT_EQ(store.since("r", last - 5, 2)->size(), 2U);
}

TEST(Store, ListsAsOfAnEarlierVersion) {
  Store store;
  (void)store.create("r", object("a"));
  auto b = (*store.create("r", object("b")))->version;
  (void)store.create("r", object("c"));
  (void)store.update("r", object("b", 9), b);
  (void)store.remove("r", "n", "a");
  auto then = store.list_at("r", "n", "", 0, b);
  ASSERT_EQ(then->size(), 2U);
  EXPECT_EQ((*then)[1]->version, b);
  EXPECT_EQ(store.list("r", "n").size(), 2U);
  EXPECT_EQ(store.list_at("r", "n", "n/a", 0, b)->size(), 1U);
}

TEST(Store, WatchersMayWriteAndGo) {
  Store store;
  std::vector<std::string> told;
  int id = 0;
  id = store.subscribe("r", [&](const std::string&, const Change& change) {
    told.emplace_back(kube::string_at(change.now->value, "metadata.name"));
    if (told.size() == 1) (void)store.create("r", object("second"));
    if (told.size() == 2) store.unsubscribe(id);
  });
  (void)store.create("r", object("first"));
  (void)store.create("r", object("third"));
  EXPECT_EQ(told, (std::vector<std::string>{"first", "second"}));
}

}  // namespace
}  // namespace weft::standalone
