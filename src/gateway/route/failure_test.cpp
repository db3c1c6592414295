#include "gateway/route/failure.h"

#include <gtest/gtest.h>

#include "gateway/route/test_request.h"

namespace weft::gateway {
namespace {

TEST(Grpc, IsKnownByItsContentType) {
  auto grpc = [](std::string type) {
    return is_grpc(TestRequest("POST", "a", "/", {{"content-type", type}}).head);
  };
  EXPECT_TRUE(grpc("application/grpc"));
  EXPECT_TRUE(grpc("application/grpc+proto"));
  EXPECT_TRUE(grpc("application/grpc;x=y"));
  EXPECT_FALSE(grpc("application/grpc-web"));
  EXPECT_FALSE(grpc("text/plain"));
  EXPECT_FALSE(is_grpc(TestRequest("POST", "a", "/").head));
}

TEST(Grpc, FailuresAreTrailersAlone) {
  Arena arena;
  ResponseHead answer;
  answer_grpc(503, "no endpoint: 100% é", answer, arena);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.fields.find("content-type")->value, "application/grpc");
  EXPECT_EQ(answer.fields.find("grpc-status")->value, "14");
  EXPECT_EQ(answer.fields.find("grpc-message")->value, "no endpoint: 100%25 %C3%A9");
  answer_grpc(404, "", answer, arena);
  EXPECT_EQ(answer.fields.find("grpc-status")->value, "12");
}

TEST(TryAgain, CodesAndAttempts) {
  Retry retry{.codes = {500, 503}, .attempts = 2, .backoff = 100};
  EXPECT_EQ(try_again_after(retry, 0, 500, 0), 100);
  EXPECT_EQ(try_again_after(retry, 1, 503, 0), 200);
  EXPECT_EQ(try_again_after(retry, 2, 503, 0), std::nullopt);
  EXPECT_EQ(try_again_after(retry, 0, 502, 0), std::nullopt);
  EXPECT_EQ(try_again_after(retry, 0, 200, 0), std::nullopt);
  EXPECT_EQ(try_again_after(retry, 0, 0, 0), 100) << "no connection";
}

TEST(TryAgain, NeverBeforeTheBackoff) {
  Retry retry{.attempts = 100, .backoff = 40};
  for (uint32_t done = 0; done < 100; ++done)
    for (uint32_t random : {0U, 1U, 12345U, ~0U}) {
      uint32_t wait = try_again_after(retry, done, 0, random).value();
      EXPECT_GE(wait, 40);
      EXPECT_LE(wait, 410);
    }
  retry.backoff = 0;
  EXPECT_LE(try_again_after(retry, 0, 0, ~0U).value(), 25);
  retry.backoff = UINT32_MAX;
  EXPECT_EQ(try_again_after(retry, 3, 0, 0), UINT32_MAX);
}

}  // namespace
}  // namespace weft::gateway
