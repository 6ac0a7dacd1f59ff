//! The language as a whole: instructions, their options and their errors, by tables.

use proptest::prelude::*;

use super::instruction::Sharing;
use super::*;

fn one(line: &str) -> Kind {
    let file = parse(&format!("FROM scratch\n{line}\n")).unwrap_or_else(|error| panic!("{line}: {error:?}"));
    assert_eq!(file.stages[0].instructions.len(), 1, "{line}");
    file.stages[0].instructions[0].kind.clone()
}

fn wrong(source: &str) -> (String, u32, u32) {
    let error = parse(source).unwrap_err();
    (error.message, error.position.line, error.position.column)
}

fn raw(texts: &[Text]) -> Vec<&str> {
    texts.iter().map(|text| text.raw.as_str()).collect()
}

#[test]
fn a_file_has_arguments_and_stages() {
    let source = "# syntax=docker/dockerfile:1\nARG V=1\nFROM --platform=$BUILDPLATFORM a:$V AS Build\nRUN x\n\nfrom build\n  Copy --from=build /a /b\n";
    let file = parse(source).unwrap();
    assert_eq!(file.directives.syntax.as_deref(), Some("docker/dockerfile:1"));
    assert_eq!((file.arguments.len(), file.stages.len()), (1, 2));
    let first = &file.stages[0];
    assert_eq!((first.name.as_deref(), first.from.image.raw.as_str()), (Some("build"), "a:$V"));
    assert_eq!(first.from.platform.as_ref().map(|text| text.raw.as_str()), Some("$BUILDPLATFORM"));
    let copy = &file.stages[1].instructions[0];
    assert_eq!((copy.at, copy.original.as_str()), (Position { line: 7, column: 3 }, "COPY --from=build /a /b"));
}

#[test]
fn commands_have_two_forms() {
    assert_eq!(one("CMD [\"a\", \"b c\"]"), Kind::Cmd(Form::Exec(vec!["a".into(), "b c".into()])));
    assert_eq!(one("CMD ['a']"), Kind::Cmd(Form::Shell("['a']".into())));
    assert_eq!(one("ENTRYPOINT exec  $X"), Kind::Entrypoint(Form::Shell("exec  $X".into())));
    assert_eq!(one("ENTRYPOINT []"), Kind::Entrypoint(Form::Exec(vec![])));
    assert_eq!(one("CMD"), Kind::Cmd(Form::Shell(String::new())));
    assert_eq!(one("SHELL [\"/bin/bash\", \"-c\"]"), Kind::Shell(vec!["/bin/bash".into(), "-c".into()]));
}

#[test]
fn environment_and_labels() {
    let pairs = |line: &str| match one(line) {
        Kind::Env(pairs) | Kind::Label(pairs) => {
            pairs.into_iter().map(|pair| (pair.name.raw, pair.value.raw)).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(pairs("ENV a=1 b=\"x y\" c=$a"), [pair("a", "1"), pair("b", "\"x y\""), pair("c", "$a")]);
    assert_eq!(pairs("ENV a some  text"), [pair("a", "some  text")]);
    assert_eq!(pairs("LABEL a.b=c \"d e\"=f"), [pair("a.b", "c"), pair("\"d e\"", "f")]);
    assert_eq!(pairs("ENV a=b\\ c"), [pair("a", "b\\ c")]);
    assert_eq!(pairs("ENV a= b=x"), [pair("a", ""), pair("b", "x")]);
}

#[test]
fn the_small_instructions() {
    let Kind::Arg(args) = one("ARG a b=1 c=\"x y\"") else { panic!() };
    let shown: Vec<_> =
        args.iter().map(|(name, value)| (name.raw.as_str(), value.as_ref().map(|v| v.raw.as_str()))).collect();
    assert_eq!(shown, [("a", None), ("b", Some("1")), ("c", Some("\"x y\""))]);
    let Kind::Expose(ports) = one("EXPOSE 80 $PORT/udp") else { panic!() };
    assert_eq!(raw(&ports), ["80", "$PORT/udp"]);
    for line in ["VOLUME [\"/a\", \"/b c\"]", "VOLUME /a /b"] {
        let Kind::Volume(paths) = one(line) else { panic!() };
        assert_eq!(paths.len(), 2, "{line}");
    }
    assert!(matches!(one("WORKDIR /a b "), Kind::Workdir(text) if text.raw == "/a b"));
    assert!(matches!(one("USER $U:g"), Kind::User(text) if text.raw == "$U:g"));
    assert!(matches!(one("STOPSIGNAL 9"), Kind::Stopsignal(text) if text.raw == "9"));
    assert!(matches!(one("MAINTAINER Me <me@x>"), Kind::Maintainer(who) if who == "Me <me@x>"));
    assert!(matches!(one("ONBUILD copy . /x"), Kind::Onbuild(line) if line == "copy . /x"));
    let check = one("HEALTHCHECK --interval=5s --timeout=1m30s --retries=3 CMD curl x");
    let Kind::Healthcheck(Health::Check { command, interval, timeout, retries, start_period, .. }) = check else {
        panic!()
    };
    assert_eq!((interval, timeout, retries, start_period), (5_000_000_000, 90_000_000_000, 3, 0));
    assert_eq!(command, Form::Shell("curl x".into()));
    assert_eq!(one("HEALTHCHECK none"), Kind::Healthcheck(Health::None));
}

#[test]
fn copies_and_their_options() {
    let Kind::Copy(copy) =
        one("COPY --from=b --chown=1:2 --chmod=u=rwX,go=rX --link --parents --exclude=*.o --exclude=x a b /c/")
    else {
        panic!()
    };
    assert!(copy.link && copy.parents && raw(&copy.exclude) == ["*.o", "x"]);
    assert_eq!((copy.sources.len(), copy.target.raw.as_str()), (2, "/c/"));
    assert_eq!(copy.chmod.map(|text| text.raw).as_deref(), Some("u=rwX,go=rX"));
    let Kind::Add(add) = one("ADD --checksum=sha256:ab --unpack=false --keep-git-dir=true https://x/y /z") else {
        panic!()
    };
    assert_eq!((add.unpack, add.keep_git_dir), (Some(false), true));
    let Kind::Copy(list) = one("COPY [\"a b\", \"/c d\"]") else { panic!() };
    assert_eq!(list.target.raw, "/c d");
}

#[test]
fn mounts_of_run() {
    let mounts = |options: &str| match one(&format!("RUN {options} x")) {
        Kind::Run(run) => run.mounts,
        other => panic!("{other:?}"),
    };
    let cache = &mounts("--mount=type=cache,target=/root/.cache,id=pip,sharing=locked,uid=1000,mode=0755")[0];
    assert_eq!(
        (cache.kind, cache.sharing, cache.mode, cache.uid),
        (MountType::Cache, Sharing::Locked, Some(0o755), Some(1000))
    );
    let bind = &mounts("--mount=target=/src,rw --mount=type=tmpfs,target=/t,size=1m")[0];
    assert_eq!((bind.kind, bind.read_only), (MountType::Bind, Some(false)));
    let secret = &mounts("--mount=type=secret,id=aws,env=KEY,required")[0];
    assert_eq!((secret.env.as_deref(), secret.required), (Some("KEY"), true));
    assert_eq!(mounts("--mount=type=ssh --network=none")[0].kind, MountType::Ssh);
}

#[test]
fn here_documents() {
    let source = "FROM x\nRUN <<EOF\necho a\n  # no comment\n\\\nEOF\nCOPY <<-\"A\" <<B c /d/\n\tone $x\nA\ntwo\nB\nRUN python3 <<EOF && cat <<X > y\nx\nEOF\nz\nX\nRUN echo '<<EOF'\n";
    let file = parse(source).unwrap();
    let [first, copy, third, last] = &file.stages[0].instructions[..] else { panic!("{file:?}") };
    let Kind::Run(run) = &first.kind else { panic!() };
    assert_eq!((run.is_heredoc, run.heredocs[0].content.as_str()), (true, "echo a\n  # no comment\n\\\n"));
    assert_eq!((first.at.line, first.last_line), (2, 6));
    let Kind::Copy(copy) = &copy.kind else { panic!() };
    let [Source::Inline(a), Source::Inline(b), Source::Path(_)] = &copy.sources[..] else { panic!() };
    assert_eq!((a.content.as_str(), a.expand, b.content.as_str(), b.expand), ("one $x\n", false, "two\n", true));
    let Kind::Run(run) = &third.kind else { panic!() };
    assert_eq!((run.is_heredoc, run.heredocs.len()), (false, 2));
    assert!(matches!(&last.kind, Kind::Run(run) if run.heredocs.is_empty()));
    let Kind::Onbuild(kept) = one("ONBUILD RUN <<E\nx\nE") else { panic!() };
    assert_eq!(kept, "RUN <<E\nx\nE");
    assert!(matches!(parse_trigger(&kept).unwrap().kind, Kind::Run(run) if run.heredocs[0].content == "x\n"));
}

#[test]
fn errors_say_where_and_what() {
    for (source, message, line, column) in [
        ("", "the Dockerfile cannot be empty", 1, 1),
        ("FRMO x", "unknown instruction: FRMO (did you mean FROM?)", 1, 1),
        ("FROM x\n\n  RNU y", "unknown instruction: RNU (did you mean RUN?)", 3, 3),
        ("RUN x", "no build stage in current context", 1, 1),
        ("ARG a", "no build stage in the Dockerfile", 1, 1),
        ("FROM", "FROM requires at least one argument", 1, 4),
        ("FROM a b", "FROM requires either one or three arguments", 1, 8),
        (
            "FROM a AS 1x",
            "invalid name for build stage: \"1x\", name can't start with a number or contain symbols",
            1,
            11,
        ),
        (
            "FROM x\nCOPY a",
            "COPY requires at least two arguments, but only one was provided. Destination could not be determined",
            2,
            6,
        ),
        ("FROM x\nCOPY --form=b a c", "unknown flag: --form (did you mean from?)", 2, 6),
        ("FROM x\nCOPY --link=maybe a c", "expecting boolean value for flag link, not: maybe", 2, 6),
        ("FROM x\nRUN --mount=type=cach,target=/x y", "unsupported mount type \"cach\" (did you mean cache?)", 2, 5),
        ("FROM x\nRUN --mount=type=cache y", "target is required for a mount", 2, 5),
        ("FROM x\nRUN --mount=type=bind,target=/x,size=1 y", "unexpected key 'size' for mount type 'bind'", 2, 5),
        ("FROM x\nRUN --mount=tarret=/x y", "unexpected key 'tarret' in mount (did you mean target?)", 2, 5),
        ("FROM x\nRUN a \\\n  --mount=x\nENV a", "ENV must have two arguments", 4, 5),
        ("FROM x\nENV a=b \\\n  c", "Syntax error - can't find = in \"c\". Must be of the form: name=value", 3, 3),
        ("FROM x\nENV =b", "ENV names can not be blank", 2, 5),
        ("FROM x\nRUN <<EOF\nabc", "unterminated heredoc", 2, 5),
        ("FROM x\nSHELL bash", "SHELL requires the arguments to be in JSON form", 2, 7),
        ("FROM x\nONBUILD FROM y", "FROM isn't allowed as an ONBUILD trigger", 2, 9),
        ("FROM x\nONBUILD ONBUILD RUN y", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", 2, 9),
        ("FROM x\nHEALTHCHECK CMDX y", "unknown type \"CMDX\" in HEALTHCHECK (try CMD)", 2, 13),
        ("FROM x\nHEALTHCHECK --interval=1us CMD y", "interval \"1us\" of --interval cannot be less than 1ms", 2, 13),
        ("FROM x\nRUN --security=insecure y", "RUN --security=insecure is not supported: every step is confined", 2, 5),
        ("FROM x\nUSER", "USER requires at least one argument", 2, 4),
        ("FROM x\nWORKDIR --x y", "unknown flag: --x", 2, 9),
    ] {
        assert_eq!(wrong(source), (message.to_owned(), line, column), "{source:?}");
    }
}

#[test]
fn comments_and_empty_continuations_are_kept() {
    let file = parse("# gone\n\n# one\n#two\nFrom x\nRUN a \\\n\n b").unwrap();
    assert_eq!(file.empty_continuations.iter().map(|at| at.line).collect::<Vec<_>>(), [7]);
    let from = &file.stages[0].instruction;
    assert_eq!((from.comments.join("|").as_str(), from.written.as_str()), ("one|two", "From"));
}

#[test]
fn the_escape_character_can_be_another() {
    let file = parse("# escape=`\nFROM x\nRUN a `\n  b\\\nENV p=C:\\x").unwrap();
    let [run, env] = &file.stages[0].instructions[..] else { panic!("{file:?}") };
    assert_eq!(run.original, "RUN a   b\\");
    assert_eq!(env.original, "ENV p=C:\\x");
}

#[test]
fn sizes_are_bounded() {
    assert!(wrong(&"#".repeat(MAX_FILE + 1)).0.contains("2 MiB"));
    assert!(wrong(&format!("FROM x\n{}", "RUN y\n".repeat(MAX_INSTRUCTIONS))).0.contains("20,000"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(FROM|RUN|COPY|ENV|ARG|ONBUILD|HEALTHCHECK|ADD|LABEL|[ a-z<>=\\-\"'\\\\\n\\[\\]#$ä`]){0,40}") {
        let _ = parse(&text);
        let _ = parse_trigger(&text);
    }

    #[test]
    fn no_bytes_make_it_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    /// What was read is read the same from its own text.
    #[test]
    fn the_text_of_an_instruction_means_the_same(words in proptest::collection::vec("[a-z/=]{1,8}", 2..5)) {
        let line = format!("RUN {}", words.join(" "));
        let file = parse(&format!("FROM x\n{line}")).unwrap();
        prop_assert_eq!(&file.stages[0].instructions[0].original, &line);
    }
}
