// Runs a harness without libFuzzer: over the files named, or over its seeds and random mutations of them.
//
//     fuzz_x [--runs N] [--seed S] [file...]
//
// The input in hand is kept in the file `fuzz-last-input` of the working directory when a signal ends the program.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz.h"

namespace {

const std::string* current_input = nullptr;

void KeepInput(int signal) {
  if (current_input != nullptr) {
    if (std::FILE* file = std::fopen("fuzz-last-input", "wb")) {
      std::fwrite(current_input->data(), 1, current_input->size(), file);
      std::fclose(file);
      std::fputs("fuzz: the input is in fuzz-last-input\n", stderr);
    }
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void RunOne(const std::string& input) {
  current_input = &input;
  // A copy of exactly that size, so that a sanitizer sees a read beyond it.
  const std::vector<std::uint8_t> exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

class Mutator {
 public:
  Mutator(std::uint64_t seed, const std::vector<std::string>& seeds) : rng_(seed), seeds_(seeds) {}

  std::string Next() {
    std::string text = seeds_[Below(seeds_.size())];
    for (std::size_t n = 1 + Below(4); n > 0; --n) Mutate(text);
    return text;
  }

 private:
  std::size_t Below(std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(rng_() % n); }

  void Mutate(std::string& text) {
    static constexpr const char* kTokens[] = {"{",
                                              "}",
                                              "[",
                                              "]",
                                              ",",
                                              ":",
                                              "\"",
                                              "null",
                                              "true",
                                              "0",
                                              "-1",
                                              "1e999",
                                              "9223372036854775808",
                                              "\\u0000",
                                              "\\ud800",
                                              "\xff",
                                              "\xc3",
                                              "\x80",
                                              "\n",
                                              "- ",
                                              "? ",
                                              "&a",
                                              "*a",
                                              "<<: *a",
                                              "|\n",
                                              "'",
                                              "#",
                                              "!!binary ",
                                              "~",
                                              "{}",
                                              "[]",
                                              "\"\"",
                                              "0001-01-01T00:00:00Z",
                                              "1Gi",
                                              ".5",
                                              "---\n"};
    const std::size_t at = Below(text.size() + 1);
    const std::size_t length = Below(std::min<std::size_t>(text.size() - at, 40) + 1);
    switch (Below(8)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << Below(8)));
        return;
      case 1:
        if (at < text.size()) text[at] = static_cast<char>(rng_());
        return;
      case 2:
        text.erase(at, length);
        return;
      case 3:
        text.insert(at, text.substr(at, length));
        return;
      case 4:
        text.insert(at, kTokens[Below(std::size(kTokens))]);
        return;
      case 5:
        text.replace(at, length, kTokens[Below(std::size(kTokens))]);
        return;
      case 6:
        text.resize(at);
        return;
      default: {
        const std::string& other = seeds_[Below(seeds_.size())];
        const std::size_t from = Below(other.size());
        text.insert(at, other.substr(from, Below(60)));
        return;
      }
    }
  }

  std::mt19937_64 rng_;
  const std::vector<std::string>& seeds_;
};

}  // namespace

int main(int argc, char** argv) {
  std::size_t runs = 1000;
  std::uint64_t seed = 1;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
      runs = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else {
      files.emplace_back(argv[i]);
    }
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, KeepInput);
  for (const std::string& name : files) {
    std::ifstream file(name, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "fuzz: cannot read %s\n", name.c_str());
      return 2;
    }
    RunOne(std::string(std::istreambuf_iterator<char>(file), {}));
  }
  if (!files.empty()) return 0;
  const std::vector<std::string> seeds = minikube::fuzz::Seeds();
  for (const std::string& input : seeds) RunOne(input);
  Mutator mutator(seed, seeds);
  for (std::size_t i = 0; i < runs; ++i) RunOne(mutator.Next());
  std::printf("fuzz: %zu seeds and %zu mutations hold\n", seeds.size(), runs);
  return 0;
}
