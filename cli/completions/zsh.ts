/** The completion script for zsh, made of specifications for its `_arguments`. */
import { type Offer, type OfferedOption, type OfferedVerb, shellText } from "./offers.ts";

/** What is the same whatever verbs there are. What the command answers is offered as it is: zsh quotes it. */
const FUNCTIONS = shellText(String.raw`
# Offers what the command says when it is asked, in its order.
_taffrail_ask() {
  local root entry name
  local -a answer described
  root=@{(Q)@{(Q)@{opt_args[--root]:-$opt_args[--from]}}}
  answer=("@{(@f)$(
    command taffrail completions --words $1 -- "@{(Q)PREFIX}" "$root" "@{(Q)line[1]}" \
      2>/dev/null </dev/null
  )}")
  for entry in $answer; do
    name=@{entry%%$'\t'*}
    described+=("@{@{name//\\/\\\\}//:/\\:}:@{entry#*$'\t'}")
  done
  _describe -V -t @{1%%=*} @{1%%=*} described "@{(@)argv[2,-1]}"
}

# Offers another name of a list.
_taffrail_ask_list() {
  compset -P '*,'
  _taffrail_ask $1 -qS ,
}

# Offers what the command says, and files.
_taffrail_ask_or_files() {
  _alternative "runs:run: _taffrail_ask $1" "files:file:_files $2"
}
`);

/** The script. */
export function zshScript(verbs: readonly OfferedVerb[]): string {
  const summaries = verbs.map(({ name, summary }) => quoted(`${name}:${summary}`));
  const commands = verbs.filter(({ takesCommand }) => takesCommand).map(({ name }) => name);
  return `#compdef taffrail

${FUNCTIONS}

_taffrail() {
  local curcontext=$curcontext verb mark
  local -a line verbs
  local -A opt_args
  verbs=(
${summaries.map((summary) => `    ${summary}`).join("\n")}
  )
  if ((CURRENT == 2)); then
    [[ $PREFIX == -* ]] || _describe -V -t verbs verb verbs
    _arguments : '--help[what all verbs do]' '--version[which version this is]'
    return
  fi
  verb=$words[2]
  if [[ $verb == help ]]; then
    ((CURRENT > 3)) || _describe -V -t verbs verb verbs
    return
  fi
  shift words
  ((CURRENT--))
  curcontext=\${curcontext%:*}-$verb:
  # What stands behind -- is a command, or arguments of a flow.
  mark=\${words[(i)--]}
  if ((mark < CURRENT)); then
    if [[ $verb == (${
    commands.join("|")
  }) && -z \${(M)words[2,mark-1]:#*.(json|jsonc|[mc]#[jt]s)} ]]; then
      words=("\${(@)words[mark+1,-1]}")
      ((CURRENT -= mark))
      _normal
    else
      _files
    fi
    return
  fi
  case $verb in
${verbs.flatMap(specifications).map((text) => `    ${text}`).join("\n")}
  esac
}

if [[ $funcstack[1] == _taffrail ]]; then
  _taffrail "$@"
else
  compdef _taffrail taffrail
fi`;
}

function specifications(verb: OfferedVerb): string[] {
  const { name, options, operands, isOpen, takesCommand } = verb;
  const places = operands.map(({ name, offers }, index) => {
    const isLast = index === operands.length - 1;
    return `${isOpen && isLast ? "*" : index + 1}:${name}:${actionOf(offers)}`;
  });
  const all = [
    ...options.flatMap(optionSpecifications),
    ...places,
    ...(takesCommand && places.length === 0
      ? ["1:mark:((--\\:'what a command stands behind'))"]
      : []),
  ];
  return [
    `(${name})`,
    "  _arguments -S : \\",
    ...all.map((text, index) => `    ${quoted(text)}${index === all.length - 1 ? "" : " \\"}`),
    "  ;;",
  ];
}

function optionSpecifications(option: OfferedOption): string[] {
  const { name, letter, text, value, offers, isList, isRepeated } = option;
  const end = value === undefined ? "" : `:${escaped(value)}:${actionOf(offers, isList)}`;
  const about = `[${escaped(text)}]${end}`;
  const long = `--${name}${value === undefined ? "" : "="}${about}`;
  if (isRepeated) return [`*${long}`];
  if (letter === undefined) return [long];
  const both = `(-${letter} --${name})`;
  return [`${both}-${letter}${value === undefined ? "" : "+"}${about}`, `${both}${long}`];
}

function actionOf(offers: readonly Offer[], isList = false): string {
  const [offer, other] = offers;
  if (offer === undefined) return " ";
  if (offer === "directories") return "_directories";
  if ("endings" in offer) return `_files${globOf(offer.endings)}`;
  if ("words" in offer) {
    return isList ? ` _sequence compadd - ${offer.words.join(" ")}` : `(${offer.words.join(" ")})`;
  }
  if (isList) return ` _taffrail_ask_list ${offer.asked}`;
  if (other === undefined) return ` _taffrail_ask ${offer.asked}`;
  const endings = typeof other === "object" && "endings" in other ? other.endings : [];
  return ` _taffrail_ask_or_files ${offer.asked} ${JSON.stringify(globOf(endings))}`;
}

function globOf(endings: readonly string[]): string {
  if (endings.length === 0) return "";
  return ` -g "*(${endings.join("|")})(-.)"`;
}

/** Text inside of a specification. */
function escaped(text: string): string {
  return text.replaceAll(/[\\:[\]]/g, "\\$&");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
