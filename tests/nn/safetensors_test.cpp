// safetensors files: what PyTorch wrote, what we write, and every way in which a file can be broken.
#include <xgrad/nn/safetensors.hpp>

#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/linear.hpp>
#include <xgrad/nn/rnn.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

const std::string fixtures = XGRAD_FIXTURES "/torch/";

// A directory of its own that ends with the test.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("xgrad-safetensors-" + std::to_string(std::random_device()()));
  Folder() { fs::create_directory(path); }
  ~Folder() { fs::remove_all(path); }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), {}));
  }
};

template <Real T>
struct Model {  // the script's
  nn::LSTM<T> rnn{7, 8, {.layers = 2}};
  nn::Linear<T> fc{8, 7};
};

template <Real T>
Tensor<T> tensor(const nn::StateDict& dict, const std::string& name) {
  const AnyTensor* found = dict.find(name);
  REQUIRE(found);
  return found->dtype() == dtype_of<T> ? Tensor<T>(*found) : Tensor<double>(*found).to<T>();
}

template <Real T>
void check_outputs(const std::string& model_file, const std::string& expected, double tolerance) {
  Model<T> model;
  const auto file = nn::load_safetensors(fixtures + model_file);
  CHECK(file.metadata.at("format") == "pt");
  CHECK(file.metadata.at("model") == "LSTM and Linear");
  nn::load_state_dict(model, file.tensors);
  const nn::StateDict io = nn::load_safetensors(fixtures + "lstm_io.safetensors").tensors;
  nn::RecurrentState<T> state;
  for (auto& h : unbind(tensor<T>(io, "h0"), 0)) state.h.push_back(h);
  for (auto& c : unbind(tensor<T>(io, "c0"), 0)) state.c.push_back(c);
  const auto result = model.rnn(tensor<T>(io, "x"), state);
  CHECK(allclose(model.fc(result.output), tensor<T>(io, "logits_" + expected), 0, tolerance));
  CHECK(allclose(result.state.h[1], unbind(tensor<T>(io, "h_" + expected), 0)[1], 0, tolerance));
  CHECK(allclose(result.state.c[0], unbind(tensor<T>(io, "c_" + expected), 0)[0], 0, tolerance));
}

TEST_CASE("a state dict that PyTorch wrote loads by name and gives its outputs") {
  check_outputs<double>("lstm_f64.safetensors", "f64", 1e-12);
  check_outputs<float>("lstm_f32.safetensors", "f32", 1e-6);
  check_outputs<float>("lstm_f64.safetensors", "f64", 1e-6);  // converted on the way
  check_outputs<double>("lstm_f32.safetensors", "f64",
                        1e-12);  // exact: the double numbers were made from the floats
}

TEST_CASE("what is written is read back bit by bit, metadata too") {
  const Folder folder;
  const fs::path file = folder.path / "model.safetensors";
  nn::StateDict dict{{"half", full({2, 3}, 0.1)},
                     {"whole", full<double>({3}, 0.1)},
                     {"scalar", scalar(7)},
                     {"nothing", zeros({0, 4})},
                     {"größe \"x\"\n", arange<float>(5)}};
  dict.push_back({"counter", Indices(Shape{}, {-3})});
  const std::map<std::string, std::string> metadata{{"text", "line\nline\t\"ä\" \\ \x01"}, {"", ""}};
  nn::save_safetensors(file, dict, metadata);
  const auto found = nn::load_safetensors(file);
  CHECK(found.metadata == metadata);
  REQUIRE(found.tensors.size() == dict.size());
  for (const auto& [name, x] : dict) {
    INFO(name);
    const AnyTensor* y = found.tensors.find(name);
    REQUIRE(y);
    CHECK(y->dtype() == x.dtype());
    CHECK(y->shape() == x.shape());
    CHECK(std::memcmp(x.bytes(), y->bytes(), static_cast<std::size_t>(x.elements()) * size_of(x.dtype())) ==
          0);
  }
  // Values begin at multiples of 8 and the wide ones come first, as the format asks.
  std::ifstream in(file, std::ios::binary);
  std::uint64_t length = 0;
  in.read(reinterpret_cast<char*>(&length), 8);
  CHECK(length % 8 == 0);
  CHECK(found.tensors[0].name == "whole");
  CHECK(found.tensors[1].name == "counter");

  nn::save_safetensors(file, {}, {});
  CHECK(nn::load_safetensors(file).tensors.empty());
}

TEST_CASE("a view is written as its own elements") {
  const Folder folder;
  const fs::path file = folder.path / "view.safetensors";
  const Tensor<> x = arange<float>(6);
  nn::save_safetensors(file, {{"tail", narrow(x, 0, 4, 2)}});
  CHECK(allclose(Tensor<>(nn::load_safetensors(file).tensors[0].tensor), Tensor<>{4, 5}, 0, 0));
}

TEST_CASE("saving replaces a file at once, and leaves nothing behind when it fails") {
  const Folder folder;
  const fs::path file = folder.path / "model.safetensors";
  nn::save_safetensors(file, {{"a", zeros({2})}});
  nn::save_safetensors(file, {{"a", ones({3})}});
  CHECK(folder.files() == 1);
  CHECK(nn::load_safetensors(file).tensors[0].tensor.shape() == Shape{3});

  CHECK_THROWS_WITH(nn::save_safetensors(file, {{"a", ones({1})}, {"a", ones({1})}}),
                    Contains("'a': two tensors have this name"));
  CHECK_THROWS_WITH(nn::save_safetensors(file, {{"__metadata__", ones({1})}}),
                    Contains("this name is reserved"));
  CHECK_THROWS_WITH(nn::save_safetensors(file, {{"b", Tensor<>()}}),
                    Contains("'b': the tensor is undefined"));
  CHECK_THROWS_WITH(nn::save_safetensors(file, {}, {{"key", "\xff"}}), Contains("cannot be written as JSON"));
  CHECK_THROWS_AS(nn::save_safetensors(file, {{"\xff", ones({1})}}), FormatError);
  CHECK(nn::load_safetensors(file).tensors[0].tensor.shape() == Shape{3});

  fs::create_directory(folder.path / "directory");
  std::ofstream(folder.path / "directory" / "full") << "x";
  CHECK_THROWS_WITH(nn::save_safetensors(folder.path / "directory", {}), Contains("cannot write the file"));
  CHECK_THROWS_WITH(nn::save_safetensors(folder.path / "none" / "x", {}), Contains("for writing"));
  CHECK(folder.files() == 2);
}

TEST_CASE("saving goes through symbolic links, and replaces nothing that is no file") {
  const Folder folder;
  fs::create_directory(folder.path / "elsewhere");
  const fs::path file = folder.path / "elsewhere" / "model.safetensors", link = folder.path / "link",
                 chain = folder.path / "chain";
  fs::create_symlink("elsewhere/model.safetensors", link);  // to what is not there yet
  fs::create_symlink(link, chain);
  for (const fs::path& name : {link, chain}) {
    nn::save_safetensors(name, {{"a", ones({3})}});
    CHECK(fs::is_symlink(name));
    CHECK(nn::load_safetensors(file).tensors[0].tensor.shape() == Shape{3});
    fs::remove(file);
  }
  fs::create_symlink("circle", folder.path / "circle");
  CHECK_THROWS_WITH(nn::save_safetensors(folder.path / "circle", {}),
                    Contains("circle: cannot write the file: its symbolic links go in a circle"));

  const fs::path pipe = folder.path / "pipe", link_to_pipe = folder.path / "link_to_pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  fs::create_symlink("pipe", link_to_pipe);
  for (const fs::path& name : {pipe, link_to_pipe}) {
    CHECK_THROWS_WITH(nn::save_safetensors(name, {{"a", ones({3})}}),
                      Contains(name.string() + ": cannot write the file: " + pipe.string() +
                               " is a directory or a device; give the name of a file"));
    CHECK_THROWS_AS(nn::save_safetensors(name, {{"a", ones({3})}}), FormatError);
  }
  CHECK(fs::is_fifo(pipe));
  CHECK(folder.files() == 6);
}

// A file of the given header and so many bytes of values.
struct Broken {
  Folder folder;
  fs::path file = folder.path / "broken.safetensors";

  std::string raw(const std::string& bytes) {
    std::ofstream(file, std::ios::binary) << bytes;
    try {
      nn::load_safetensors(file);
      return "no error";
    } catch (const FormatError& error) {
      const std::string message = error.what();
      CHECK_THAT(message, Contains(file.string()));
      return message;
    }
  }
  std::string header(const std::string& json, std::size_t values = 0, std::uint64_t claimed = 0) {
    const std::uint64_t length = claimed ? claimed : json.size();
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    return raw(bytes + json + std::string(values, '\0'));
  }
  // One tensor 'x' of these properties, with 8 bytes of values.
  std::string entry(const std::string& info) { return header("{\"x\":" + info + "}", 8); }
};

TEST_CASE("a broken file is an error that says what is wrong") {
  Broken b;
  CHECK(b.entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})") ==
        "no error");  // this is what is broken below
  CHECK(b.header(R"({"x":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"__metadata__":{"k":"v"}}   )", 8) ==
        "no error");
  CHECK(b.header("{}") == "no error");

  CHECK_THROWS_WITH(nn::load_safetensors(b.folder.path / "none"),
                    Contains("cannot open the file for reading"));
  CHECK_THROWS_AS(nn::load_safetensors(b.folder.path), FormatError);
  CHECK_THAT(b.raw(""), Contains("expected at least 8 bytes, found 0"));
  CHECK_THAT(b.raw("1234567"), Contains("expected at least 8 bytes, found 7"));
  CHECK_THAT(b.header("{}", 0, 3), Contains("a header of 3 bytes, and 2 follow"));
  CHECK_THAT(b.header("{}", 0, ~0ull), Contains("a header of 18446744073709551615 bytes, and 2 follow"));
  CHECK_THAT(b.raw("this is a text and no safetensors file"),
             Contains("this is no safetensors file, or it is cut off"));

  CHECK_THAT(b.header("{\"x\":"), Contains("the header is no JSON"));
  CHECK_THAT(b.header("{\"\xff\":1}"), Contains("the header is no JSON"));
  CHECK_THAT(b.header("{} {}"), Contains("the header is no JSON"));
  CHECK_THAT(b.header(std::string("{}\0\0", 4)), Contains("it has a zero byte at offset 2"));
  CHECK_THAT(b.header(std::string("{\"\0\":1}", 7)), Contains("it has a zero byte at offset 2"));
  CHECK_THAT(b.header("\xEF\xBB\xBF{}"), Contains("the header begins with a byte order mark"));
  CHECK(b.header(" {} \n") == "no error");  // as the reference implementation
  CHECK_THAT(b.header("[]"), Contains("expected a JSON object as header, found an array"));
  CHECK_THAT(b.header("{\"x\":" + std::string(100000, '[') + std::string(100000, ']') + "}"),
             Contains("'x': expected dtype, shape and data_offsets, found an array"));
  CHECK_THAT(
      b.header(
          R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
          8),
      Contains("the header names 'x' twice"));
  CHECK_THAT(b.entry(R"({"dtype":"F64","dtype":"F32","shape":[2],"data_offsets":[0,8]})"),
             Contains("the header names 'dtype' twice"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]})"),
             Contains("found an array as shape"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"data_offsets":[0,8]})"),
             Contains("found an array as data_offsets"));
  CHECK_THAT(b.header(R"({"__metadata__":{},"__metadata__":{}})"), Contains("'__metadata__' twice"));
  CHECK_THAT(b.header(R"({"__metadata__":{"k":"1","k":"2"}})"), Contains("'k' twice"));
  CHECK(
      b.entry(R"({"a":[{"b":[1,"c"]},{}],"dtype":"F32","a":0,"shape":[2],"data_offsets":[0,8],"z":null})") ==
      "no error");  // members that the format does not name
  CHECK_THAT(b.header(R"({"__metadata__":[]})"),
             Contains("expected an object of strings as __metadata__, found an array"));
  CHECK_THAT(b.header(R"({"__metadata__":{"k":1}})"),
             Contains("__metadata__: expected a string as 'k', found 1"));

  CHECK_THAT(b.entry("1"), Contains("'x': expected dtype, shape and data_offsets, found 1"));
  CHECK_THAT(b.entry(R"({"shape":[2],"data_offsets":[0,8]})"),
             Contains("expected dtype, shape and data_offsets"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","data_offsets":[0,8]})"),
             Contains("expected dtype, shape and data_offsets"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[2]})"), Contains("expected dtype, shape and data_offsets"));
  CHECK_THAT(b.entry(R"({"dtype":1,"shape":[2],"data_offsets":[0,8]})"),
             Contains("expected dtype, shape and data_offsets"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})"),
             Contains("expected dtype, shape and data_offsets"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[2],"data_offsets":8})"),
             Contains("expected dtype, shape and data_offsets"));
  CHECK_THAT(
      b.entry(R"({"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]})"),
      Contains("'x': expected values of type F32, F64, F16, BF16, I64") && Contains("BOOL, found F8_E4M3"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"),
             Contains("expected a shape that is an integer >= 0, found -2"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"), Contains("found 2.0"));
  for (const std::string shape : {"4294967295,4294967295,4294967295", "18446744073709551615", "1,1,1,1,1,1,1,2"})
    CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[)" + shape + R"(],"data_offsets":[0,8]})"),
               Contains("more than a tensor can have"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[4294967295,4294967295,2,0],"data_offsets":[0,0]})"),
             Contains("more than a tensor can have"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[[2]],"data_offsets":[0,8]})"),
             Contains("expected a shape that is an integer >= 0, found an array"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[2],"data_offsets":[]})"),
             Contains("expected two data_offsets"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4,8]})"),
             Contains("expected two data_offsets"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,"8"]})"),
             Contains("expected a data offset"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"),
             Contains("at bytes 8 to 0, and the file has 8"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})"),
             Contains("at bytes 4 to 12, and the file has 8"));
  CHECK_THAT(b.entry(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"),
             Contains("shape [3] of F32 takes 12 bytes, found 8"));
  CHECK_THAT(b.entry(R"({"dtype":"F64","shape":[2],"data_offsets":[0,8]})"),
             Contains("shape [2] of F64 takes 16 bytes, found 8"));

  const auto two = [&](const std::string& a, const std::string& c, std::size_t values) {
    return b.header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + a +
                        R"(},"c":{"dtype":"F32","shape":[2],"data_offsets":)" + c + "}}",
                    values);
  };
  CHECK(two("[8,16]", "[0,8]", 16) == "no error");
  CHECK_THAT(two("[0,8]", "[4,12]", 12),
             Contains("'c': its values begin at byte 4, where those before end at 8: they overlap"));
  CHECK_THAT(two("[0,8]", "[0,8]", 8), Contains("they overlap"));
  CHECK_THAT(two("[0,8]", "[12,20]", 20),
             Contains("'c': its values begin at byte 12, where those before end at 8: they leave a gap"));
  CHECK_THAT(two("[4,12]", "[12,20]", 20),
             Contains("'a': its values begin at byte 4, where those before end at 0"));
  CHECK_THAT(two("[0,8]", "[8,16]", 17), Contains("the tensors take 16 bytes, found 17"));
}

TEST_CASE("no prefix of a file and no changed byte of its header crashes") {
  Broken b;
  std::ifstream in(fixtures + "lstm_f32.safetensors", std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  for (std::size_t n = 0; n < whole.size(); n += n < 1200 ? 7 : 501)
    CHECK(b.raw(whole.substr(0, n)) != "no error");
  for (std::size_t i = 0; i < 600; ++i)
    for (const char c : {'\0', '"', '9', '{', '\xff'}) {
      std::string changed = whole;
      changed[i] = c;
      b.raw(changed);
    }
}

}  // namespace
