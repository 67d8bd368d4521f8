// Status and Result: what ends the process is the caller's mistake, and says so.
#include <catch2/catch.hpp>

#include <minikube/status.h>

#include "helpers/dies.h"

namespace minikube {
namespace {

using Catch::Contains;

TEST_CASE("result: a value or an error, and nothing else") {
  const Result<int> value = 3;
  CHECK(*value == 3);
  const Result<int> error = Status(Code::kNotFound, "none");
  CHECK(error.status().code() == Code::kNotFound);
  CHECK_THAT(test::DyingWordsOf([&] { (void)error.value(); }), Contains("none"));
  CHECK_THAT(test::DyingWordsOf([] { const Result<int> neither = Status(); }), Contains("a Status that is OK"));
  CHECK(Result<void>(Status()).ok());
}

}  // namespace
}  // namespace minikube
