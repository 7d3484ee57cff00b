// What the "hello" programs share: their command line, .npy arrays in and out, and Python's way of printing.
#pragma once

#include <CLI/CLI.hpp>
#include <xgrad/nn/module.hpp>
#include <xgrad/nn/npy.hpp>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace xgrad::examples {

struct HelloOptions {
  std::filesystem::path init;  ///< start from the arrays init_NAME.npy in this folder
  std::filesystem::path dump;  ///< write NAME.npy of whatever the program computes into this folder
  bool single = false;         ///< compute in float

  /// Overwrites every parameter of a module with DIR/init_NAME.npy where --init DIR is given. Throws
  /// FormatError for a file of another shape.
  template <nn::Module M>
  void load(M& module) const {
    if (init.empty()) return;
    for (auto& [name, parameter] : nn::named_parameters(module)) {
      const nn::NpyArray array = nn::read_npy(init / ("init_" + name + ".npy"));
      if (Shape(array.shape) != parameter.shape())
        throw FormatError("init_" + name + ".npy has shape " + to_string(Shape(array.shape)) +
                          ", the program needs " + to_string(parameter.shape()));
      std::ranges::transform(array.data, parameter.mutable_values().begin(),
                             [](double x) { return static_cast<Scalar<M>>(x); });
    }
  }

  /// Write DIR/NAME.npy where --dump DIR is given: a tensor, numbers, a module's parameters, or their
  /// gradients.
  template <Real T>
  void save(const std::string& name, const Tensor<T>& x) const {
    write(name, {std::vector<std::size_t>(x.shape().begin(), x.shape().end()),
                 {x.values().begin(), x.values().end()},
                 std::same_as<T, float> ? nn::NpyType::float32 : nn::NpyType::float64});
  }
  void save(const std::string& name, const std::vector<double>& values) const {
    write(name, {{values.size()}, values});
  }
  template <nn::Module M>
  void save(const std::string& prefix, const M& module) const {
    for (const auto& [name, parameter] : nn::named_parameters(module)) save(prefix + name, parameter);
  }
  template <nn::Module M>
  void save_gradients(const std::string& prefix, const M& module) const {
    for (const auto& [name, parameter] : nn::named_parameters(module)) save(prefix + name, parameter.grad());
  }

 private:
  template <class M>
  using Scalar =
      typename decltype(nn::named_parameters(std::declval<M&>()))::value_type::second_type::value_type;

  void write(const std::string& name, const nn::NpyArray& array) const {
    if (dump.empty()) return;
    std::filesystem::create_directories(dump);
    nn::write_npy(dump / (name + ".npy"), array);
  }
};

/// Reads the command line and calls `program.template operator()<T>(options)` with T = double, or float for
/// --float. `more` adds options of the program's own. Every error is one line on stderr; exit code 2 for a
/// wrong command line, 1 for any other.
template <class Program, class More>
int run_hello(int argc, char** argv, const std::string& about, Program program, More more) {
  CLI::App app{about};
  HelloOptions options;
  app.add_option("--init", options.init, "start from the arrays init_*.npy in this folder")->type_name("DIR");
  app.add_option("--dump", options.dump, "write losses, first gradients and final arrays as .npy there")
      ->type_name("DIR");
  app.add_flag("--float", options.single, "compute in float instead of double");
  more(app);
  try {
    app.parse(argc, argv);
    options.single ? program.template operator()<float>(options)
                   : program.template operator()<double>(options);
    return 0;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    std::cerr << app.get_name() << ": " << error.what() << " (--help tells more)\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << app.get_name() << ": " << error.what() << '\n';
    return 1;
  }
}
template <class Program>
int run_hello(int argc, char** argv, const std::string& about, Program program) {
  return run_hello(argc, argv, about, program, [](CLI::App&) {});
}

}  // namespace xgrad::examples
