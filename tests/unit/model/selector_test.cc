#include <minikube/selector.h>

#include <catch2/catch.hpp>

#include "model/field_path.h"

#include <minikube/api/core/v1.h>

namespace minikube {
namespace {

bool Matches(std::string_view selector, const Map<Str>& labels) {
  Result<LabelSelector> parsed = LabelSelector::Parse(selector);
  INFO(selector);
  REQUIRE(parsed.ok());
  return parsed->Matches(labels);
}

std::string ErrorOf(std::string_view selector) {
  Result<LabelSelector> parsed = LabelSelector::Parse(selector);
  INFO(selector);
  REQUIRE_FALSE(parsed.ok());
  CHECK(parsed.status().code() == Code::kBadRequest);
  return parsed.status().message();
}

std::string Canonical(std::string_view selector) {
  Result<LabelSelector> parsed = LabelSelector::Parse(selector);
  INFO(selector);
  REQUIRE(parsed.ok());
  return parsed->ToString();
}

TEST_CASE("A label selector matches as its operators say") {
  const Map<Str> web = {{"app", "web"}, {"tier", "front"}, {"weight", "10"}, {"empty", ""}};
  CHECK(Matches("", web));
  CHECK(Matches("app=web", web));
  CHECK(Matches("app==web", web));
  CHECK_FALSE(Matches("app=db", web));
  CHECK(Matches("app!=db", web));
  CHECK(Matches("missing!=db", web));
  CHECK_FALSE(Matches("app!=web", web));
  CHECK(Matches("app in (db, web)", web));
  CHECK_FALSE(Matches("missing in (db)", web));
  CHECK(Matches("app notin (db)", web));
  CHECK(Matches("missing notin (db)", web));
  CHECK(Matches("app", web));
  CHECK_FALSE(Matches("missing", web));
  CHECK(Matches("!missing", web));
  CHECK_FALSE(Matches("!app", web));
  CHECK(Matches("weight>9", web));
  CHECK_FALSE(Matches("weight > 10", web));
  CHECK(Matches("weight<11", web));
  CHECK_FALSE(Matches("app>1", web));
  CHECK(Matches("app=web,tier in (front,back),!missing", web));
  CHECK_FALSE(Matches("app=web,tier=back", web));
  CHECK(Matches("empty=", web));
  CHECK(Matches("empty in (,x)", web));
  CHECK(Matches("empty in ()", web));
  CHECK_FALSE(Matches("app=", web));
}

TEST_CASE("Operator words are words everywhere but after a key") {
  CHECK(Matches("in in (in)", {{"in", "in"}}));
  CHECK(Matches("notin notin (notin)", {{"notin", "x"}}));
  CHECK(Matches("x=in", {{"x", "in"}}));
}

TEST_CASE("A label selector is written sorted by key with sorted values") {
  CHECK(Canonical("z, a in (c,b,b) ,m!=1,!k,n>3,o<4,p notin (y,x)") == "a in (b,c),!k,m!=1,n>3,o<4,p notin (x,y),z");
  CHECK(Canonical("a==b") == "a=b");
  CHECK(Canonical(" \t\n") == "");
}

TEST_CASE("What a label selector's text may not be is told in Kubernetes' words") {
  CHECK(ErrorOf("a b") == "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
  CHECK(ErrorOf("a=b,") == "found '', expected: identifier after ','");
  CHECK(ErrorOf(",a") == "found ',', expected: !, identifier, or 'end of string'");
  CHECK(ErrorOf("a=b c") == "found 'c', expected: ',' or 'end of string'");
  CHECK(ErrorOf("a in b") == "unable to parse requirement: found 'b' expected: '('");
  CHECK(ErrorOf("a in (") == "unable to parse requirement: found '', expected: ',', ')' or identifier");
  CHECK(ErrorOf("a in (b") == "unable to parse requirement: found '', expected: ',' or ')'");
  CHECK(ErrorOf("a in (b,") == "unable to parse requirement: found '', expected: ',', or identifier");
  CHECK(ErrorOf("!") == "unable to parse requirement: found '', expected: identifier");
  CHECK(ErrorOf("a=(") == "unable to parse requirement: found '(', expected: identifier");
  CHECK(ErrorOf("!a in (b)") == "found 'in', expected: ',' or 'end of string'");
  CHECK(ErrorOf("a>x") ==
        "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an "
        "integer");
  CHECK_THAT(ErrorOf("a/b/c=d"), Catch::StartsWith("unable to parse requirement: <nil>: Invalid value: \"a/b/c\": a "
                                                   "valid label key must consist of alphanumeric characters"));
  CHECK_THAT(ErrorOf("a=_b"), Catch::StartsWith("unable to parse requirement: values[0][a]: Invalid value: \"_b\": a "
                                                "valid label must be an empty string or consist of"));
}

TEST_CASE("A metav1.LabelSelector: null matches nothing, empty everything") {
  meta::v1::LabelSelector selector;
  const Map<Str> labels = {{"app", "web"}};
  CHECK_FALSE(LabelSelector::From(nullptr).value().Matches(labels));
  CHECK_FALSE(LabelSelector::From(nullptr).value().empty());
  CHECK(LabelSelector::From(&selector).value().Matches(labels));

  selector.matchLabels["app"] = "web";
  selector.matchExpressions = {{"tier", "DoesNotExist", {}}, {"app", "In", {"web", "db"}}};
  const LabelSelector compiled = LabelSelector::From(&selector).value();
  CHECK(compiled.Matches(labels));
  CHECK_FALSE(compiled.Matches({{"app", "web"}, {"tier", "x"}}));
  CHECK(LabelSelector::Parse(compiled.ToString()).value().ToString() == compiled.ToString());

  selector.matchExpressions = {{"tier", "Near", {}}};
  CHECK(LabelSelector::From(&selector).status().message() == "\"Near\" is not a valid label selector operator");
  selector.matchExpressions = {{"tier", "In", {}}};
  CHECK(LabelSelector::From(&selector).status().message() ==
        "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty");
  selector.matchExpressions = {{"tier", "Exists", {"x"}}};
  CHECK(LabelSelector::From(&selector).status().message() ==
        "values: Invalid value: [\"x\"]: values set must be empty for exists and does not exist");
}

TEST_CASE("A selector made from labels matches their supersets") {
  const LabelSelector selector = LabelSelector::FromMap({{"a", "1"}, {"b", "2"}});
  CHECK(selector.Matches({{"a", "1"}, {"b", "2"}, {"c", "3"}}));
  CHECK_FALSE(selector.Matches({{"a", "1"}}));
  CHECK(selector.ToString() == "a=1,b=2");
}

TEST_CASE("A field selector is split at unescaped commas and its values unescaped") {
  const FieldSelector selector =
      FieldSelector::Parse(R"(spec.nodeName!=n1,metadata.name==a\,b\=c\\,,status.phase=)").value();
  REQUIRE(selector.requirements().size() == 3);
  CHECK(selector.requirements()[0].path == "metadata.name");
  CHECK(selector.requirements()[0].value == R"(a,b=c\)");
  CHECK(selector.requirements()[1].path == "spec.nodeName");
  CHECK_FALSE(selector.requirements()[1].equals);
  CHECK(selector.requirements()[2].value.empty());
  CHECK(FieldSelector::Parse("").value().empty());

  CHECK(FieldSelector::Parse("a").status().message() == "invalid selector: 'a'; can't understand 'a'");
  CHECK(FieldSelector::Parse("a=b=c").status().message() == "invalid field selector: unescaped character in value: 61");
  CHECK(FieldSelector::Parse(R"(a=\x)").status().message() == R"(invalid field selector: invalid escape sequence: \x)");
  CHECK(FieldSelector::Parse(R"(a=b\)").status().message() == R"(invalid field selector: invalid escape sequence: \)");
}

TEST_CASE("Field selectors read any scalar of any object") {
  core::v1::Pod pod;
  pod.metadata.name = "web-1";
  pod.metadata.namespace_ = "shop";
  pod.spec.nodeName = "node-7";
  pod.spec.hostNetwork = true;
  pod.spec.terminationGracePeriodSeconds = 30;
  pod.status.phase = "Running";
  const ObjectRef object = Share(pod);
  CHECK(FieldValue(*object, "metadata.name") == "web-1");
  CHECK(FieldValue(*object, "spec.nodeName") == "node-7");
  CHECK(FieldValue(*object, "spec.hostNetwork") == "true");
  CHECK(FieldValue(*object, "spec.hostPID") == "false");
  CHECK(FieldValue(*object, "spec.terminationGracePeriodSeconds") == "30");
  CHECK(FieldValue(*object, "status.podIP") == "");
  CHECK(FieldValue(*object, "spec.securityContext.runAsUser") == "");
  CHECK_FALSE(FieldValue(*object, "spec.containers").has_value());
  CHECK_FALSE(FieldValue(*object, "spec").has_value());
  CHECK_FALSE(FieldValue(*object, "spec.nope").has_value());
  CHECK_FALSE(FieldValue(*object, "").has_value());

  const auto matches = [&](std::string_view text) {
    const FieldSelector selector = FieldSelector::Parse(text).value();
    return FieldMatcher::Compile(selector, object->desc()).value().Matches(*object);
  };
  CHECK(matches(""));
  CHECK(matches("spec.nodeName=node-7,status.phase!=Failed"));
  CHECK_FALSE(matches("spec.nodeName=node-7,status.phase!=Running"));
  CHECK(matches("spec.hostNetwork=true"));
  const FieldSelector unknown = FieldSelector::Parse("spec.nope=1").value();
  CHECK(FieldMatcher::Compile(unknown, object->desc()).status().message() == "field label not supported: spec.nope");
}

}  // namespace
}  // namespace minikube
