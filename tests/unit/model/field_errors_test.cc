#include "model/field_errors.h"

#include <minikube/api/core/v1.h>
#include <catch2/catch.hpp>

namespace minikube {
namespace {

TEST_CASE("Paths are rendered as Kubernetes renders them") {
  const FieldPath root;
  const FieldPath spec = root.Child("spec");
  const FieldPath containers = spec.Child("containers");
  const FieldPath first = containers.Index(0);
  const FieldPath labels("metadata.labels");
  CHECK(root.ToString() == "<nil>");
  CHECK(spec.ToString() == "spec");
  CHECK(first.Child("name").ToString() == "spec.containers[0].name");
  CHECK(containers.Index(12, "ports").ToString() == "spec.containers[12].ports");
  CHECK(labels.Key("a/b").ToString() == "metadata.labels[a/b]");
  CHECK(first.Child("securityContext.runAsUser").ToString() == "spec.containers[0].securityContext.runAsUser");
}

TEST_CASE("Each kind of error has its reason and its words") {
  ErrorList errors;
  const FieldPath x("x");
  errors.Required(x, "");
  errors.Required(x, "must be set");
  errors.Invalid(x, "a\"b", "must be nice");
  errors.Invalid(x, std::int64_t{-1}, "must be greater than or equal to 0");
  errors.Invalid(x, true, "no");
  errors.NotSupported(x, "C", {"A", "B"});
  errors.Duplicate(x, "a");
  errors.NotFound(x, "a");
  errors.Forbidden(x, "not now");
  errors.TooLong(x, 1);
  errors.TooMany(x, 5, 4);
  errors.TooFew(x, 0, 1);
  errors.TooShort(x, 2);
  errors.Invalid(x, BadValue::Of(core::v1::LocalObjectReference{.name = "n"}), "bad");
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"FieldValueRequired", "Required value"},
      {"FieldValueRequired", "Required value: must be set"},
      {"FieldValueInvalid", R"(Invalid value: "a\"b": must be nice)"},
      {"FieldValueInvalid", "Invalid value: -1: must be greater than or equal to 0"},
      {"FieldValueInvalid", "Invalid value: true: no"},
      {"FieldValueNotSupported", R"(Unsupported value: "C": supported values: "A", "B")"},
      {"FieldValueDuplicate", R"(Duplicate value: "a")"},
      {"FieldValueNotFound", R"(Not found: "a")"},
      {"FieldValueForbidden", "Forbidden: not now"},
      {"FieldValueTooLong", "Too long: may not be more than 1 byte"},
      {"FieldValueTooMany", "Too many: 5: must have at most 4 items"},
      {"FieldValueTooFew", "Too few: 0: must have at least 1 item"},
      {"FieldValueTooShort", "Too short: must be at least 2 characters"},
      {"FieldValueInvalid", R"(Invalid value: {"name":"n"}: bad)"},
  };
  REQUIRE(errors.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(errors.causes()[i].reason == expected[i].first);
    CHECK(errors.causes()[i].message == expected[i].second);
    CHECK(errors.causes()[i].field == "x");
  }
}

TEST_CASE("Errors become one Status") {
  ErrorList errors;
  CHECK(errors.ToStatus("apps", "Deployment", "web").ok());
  errors.Required(FieldPath("a"), "");
  const Status one = errors.ToStatus("apps", "Deployment", "web");
  CHECK(one.code() == Code::kInvalid);
  CHECK(one.message() == "Deployment.apps \"web\" is invalid: a: Required value");
  CHECK(one.details().kind == "Deployment");
  CHECK(one.details().group == "apps");
  CHECK(one.details().name == "web");
  errors.Forbidden(FieldPath("b"), "no");
  errors.Forbidden(FieldPath("b"), "no");
  const Status more = errors.ToStatus("", "Pod", "p");
  CHECK(more.message() == "Pod \"p\" is invalid: [a: Required value, b: Forbidden: no]");
  CHECK(more.details().causes.size() == 3);
}

TEST_CASE("Quoting follows Go") {
  CHECK(GoQuote("a\tb\n\\\x01\x7f") == R"("a\tb\n\\\x01\x7f")");
  CHECK(GoQuote("gr\xC3\xBC\xC3\x9F") == "\"gr\xC3\xBC\xC3\x9F\"");
  CHECK(GoQuote("\xff\xC3") == R"("\xff\xc3")");
  CHECK(GoQuote("\xE2\x80\x8B") == R"("\u200b")");
  CHECK(GoQuote("\xF0\x9F\x98\x80") == "\"\xF0\x9F\x98\x80\"");
}

}  // namespace
}  // namespace minikube
