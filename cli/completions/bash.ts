/**
 * The completion script for bash. It keeps to what bash 3.2 knows, which macOS has; of what is newer it asks whether
 * it is there.
 */
import { commandLine } from "../text/printable.ts";
import { type Offer, type OfferedVerb, shellText, valuedOptions } from "./offers.ts";

/**
 * What is the same whatever verbs there are. Nothing that was typed, or that the command answers, is evaluated:
 * words are taken apart here, and what is offered is quoted.
 */
const FUNCTIONS = shellText(String.raw`
# Takes the words up to the cursor as they were typed: bash takes them apart at = and : and @, too.
_taffrail_split() {
  local rest=@{COMP_LINE:0:COMP_POINT} word= index
  words=()
  for ((index = 0; index <= COMP_CWORD; index++)); do
    if [[ $rest == [[:space:]]* || $index == 0 || -z $rest ]]; then
      rest=@{rest#"@{rest%%[![:space:]]*}"}
      words+=("")
    fi
    word=@{COMP_WORDS[index]}
    ((index < COMP_CWORD)) || word=$rest
    words[@{#words[@]} - 1]+=$word
    rest=@{rest#"$word"}
  done
  # What bash replaces is the last part, unless that is what it takes words apart at.
  replaced=$word
  [[ $replaced != [=:@]* ]] || replaced=
}

# Takes the quotes off a word, and expands nothing. A quote that is open is left in "quote".
_taffrail_unquote() {
  local text=$1 char index
  unquoted= quote=
  for ((index = 0; index < @{#text}; index++)); do
    char=@{text:index:1}
    if [[ -n $quote && $char == "$quote" ]]; then
      quote=
    elif [[ -z $quote && $char == [\"\'] ]]; then
      quote=$char
    elif [[ $char == \\ && $quote != \' ]]; then
      ((index += 1))
      char=@{text:index:1}
      [[ -z $quote || $char == [\"\\$'\140'\$] ]] || char=\\$char
      unquoted+=$char
    else
      unquoted+=$char
    fi
  done
}

# Whether bash has an option for what is offered now.
_taffrail_option() {
  compopt -o "$1" 2>/dev/null
}

# Offers a name, quoted as it has to be where it goes.
_taffrail_add() {
  local text=$1
  if [[ -z $by_bash ]]; then
    case $quote in
      \') text=@{text//\'/\'\\\'\'} ;;
      \")
        # History is looked for in double quotes, too.
        [[ $text != *!* ]] || return 0
        text=@{text//\\/\\\\} text=@{text//\"/\\\"} text=@{text//\$/\\\$}
        text=@{text//$'\140'/\\$'\140'}
        ;;
      *)
        printf -v text %q "$text"
        # These two have a meaning only elsewhere: between braces, and where no path begins.
        text=@{text//\\,/,}
        [[ $typed != \~/* ]] || text=@{text/#\\\~\//\~\/}
        ;;
    esac
    # Readline takes a quote at the end for the one that ends the word.
    [[ -z $quote || $text != *"$quote" ]] || text+=$quote
  fi
  COMPREPLY+=("$text")
}

# Offers those of the names that begin as what was typed does.
_taffrail_offer() {
  local name
  for name; do
    name=$before$name
    [[ $name != "$typed"* ]] || _taffrail_add "@{name#"$kept"}"
  done
}

# Offers what the command says when it is asked, in its order.
_taffrail_ask() {
  local line
  _taffrail_option nosort
  while IFS= read -r line; do
    _taffrail_offer "@{line%%$'\t'*}"
  done < <(
    command taffrail completions --words "$1" -- "@{typed#"$before"}" "$root" "@{operands[0]-}" \
      </dev/null 2>/dev/null
  )
}

# From here on what is offered are files, which bash quotes itself.
_taffrail_filenames() {
  ! _taffrail_option filenames || by_bash=yes
}

# Offers directories, and files whose names end so.
_taffrail_files() {
  local name ending
  while IFS= read -r name; do
    if [[ ! -d $name && $# -gt 0 ]]; then
      for ending; do
        [[ $name != *"$ending" ]] || break
      done
      [[ $name == *"$ending" ]] || continue
    fi
    _taffrail_add "@{name#"$kept"}"
  done < <(compgen -f -- "$typed")
}

_taffrail_directories() {
  local name
  while IFS= read -r name; do
    _taffrail_add "@{name#"$kept"}"
  done < <(compgen -d -- "$typed")
}

# Begins to offer something for this text.
_taffrail_begin() {
  _taffrail_unquote "@{1%"$replaced"}"
  kept=$unquoted
  _taffrail_unquote "$1"
  typed=$unquoted before=
}

# Goes behind the last comma: what follows is another name of a list.
_taffrail_list() {
  before=@{typed%"@{typed##*,}"}
  _taffrail_option nospace
}

# Completes a command as if it stood alone.
_taffrail_command() {
  local index
  for ((index = 1; index < COMP_CWORD; index++)); do
    [[ @{COMP_WORDS[index]} != -- ]] || break
  done
  if declare -F _comp_command_offset >/dev/null; then
    _comp_command_offset $((index + 1))
  elif declare -F _command_offset >/dev/null; then
    _command_offset $((index + 1))
  elif ((COMP_CWORD == index + 1)); then
    local name
    while IFS= read -r name; do _taffrail_add "$name"; done < <(compgen -c -- "$typed" | sort -u)
  else
    _taffrail_filenames
    _taffrail_files
  fi
}

# Goes through the words before the last: what is an operand, what is a root, and which option waits for its value.
_taffrail_read() {
  local index word
  for ((index = 2; index < @{#words[@]} - 1; index++)); do
    _taffrail_unquote "@{words[index]}"
    word=$unquoted
    if [[ -n $behind ]]; then
      continue
    elif [[ -n $option && $word != -?* ]]; then
      case $option in --root | --from) root=$word ;; esac
      option=
      continue
    fi
    option=
    case $word in
      --) behind=yes ;;
      --root=* | --from=*) root=@{word#*=} ;;
      -?*) [[ $valued != *" $word "* ]] || option=$word ;;
      *) operands+=("$word") ;;
    esac
  done
}
`);

/** The script. */
export function bashScript(verbs: readonly OfferedVerb[]): string {
  const names = verbs.map(({ name }) => name);
  const options = verbs.flatMap((verb) => [
    `    ${verb.name})`,
    `      options=${quoted(optionNames(verb).join(" "))}`,
    `      valued=${quoted(` ${valuedOptions(verb.options).join(" ")} `)}`,
    "      ;;",
  ]);
  return `${FUNCTIONS}

_taffrail() {
  local words replaced quote unquoted kept typed before by_bash= cword option= root= behind= options valued
  local operands=() IFS=$' \\t\\n'
  COMPREPLY=()
  _taffrail_split
  cword=$((\${#words[@]} - 1))
  local word=\${words[cword]}
  _taffrail_unquote "\${words[1]-}"
  local verb=$unquoted
  _taffrail_begin "$word"
  if ((cword == 1)); then
    _taffrail_offer ${[...names, "help", "--help", "--version"].join(" ")}
    return
  fi
  case $verb in
${options.join("\n")}
    help)
      ((cword > 2)) || _taffrail_offer ${names.join(" ")}
      return
      ;;
    *) return ;;
  esac
  _taffrail_read
  _taffrail_begin "$word"
  if [[ -n $behind ]]; then
${indented(behindMark(verbs))}
    return
  elif [[ -z $option && $word == --*=* ]]; then
    option=\${word%%=*}
    _taffrail_begin "\${word#*=}"
  elif [[ $word == -* ]]; then
    _taffrail_offer $options
    return
  fi
  case $verb:\${option:-\${#operands[@]}} in
${indented(verbs.flatMap(placesOf))}
  esac
}

complete -F _taffrail taffrail`;
}

function optionNames({ options, takesCommand }: OfferedVerb): string[] {
  return [...options.map(({ name }) => `--${name}`), ...(takesCommand ? ["--"] : [])];
}

/** What is offered behind `--`. */
function behindMark(verbs: readonly OfferedVerb[]): string[] {
  const names = verbs.filter(({ takesCommand }) => takesCommand).map(({ name }) => name);
  return [
    `case $verb:\${#operands[@]} in`,
    `  ${names.map((name) => `${name}:0`).join(" | ")}) _taffrail_command ;;`,
    "  *) _taffrail_filenames; _taffrail_files ;;",
    "esac",
  ];
}

/** The places of a verb where something is offered: values of options, and operands. */
function placesOf({ name, options, operands, isOpen, takesCommand }: OfferedVerb): string[] {
  const places = operands.map(({ offers }) => offers);
  if (takesCommand) places[0] = [...places[0] ?? [], { words: ["--"] }];
  return [
    ...options.filter(({ offers }) => offers.length > 0).flatMap((option) => {
      const { offers, isList } = option;
      const patterns = valuedOptions([option]).map((option) => `${name}:${option}`);
      return place(patterns.join(" | "), offers, isList);
    }),
    ...places.map((offers, index) => {
      const isLast = index === places.length - 1;
      return place(`${name}:${isOpen && isLast ? "[0-9]*" : index}`, offers);
    }).flat(),
  ];
}

function place(pattern: string, offers: readonly Offer[], isList = false): string[] {
  const hasFiles = offers.some((offer) => offer === "directories" || "endings" in offer);
  return [
    `${pattern})`,
    ...(isList ? ["  _taffrail_list"] : []),
    ...(hasFiles ? ["  _taffrail_filenames"] : []),
    ...offers.map((offer) => `  ${actionOf(offer)}`),
    "  ;;",
  ];
}

function actionOf(offer: Offer): string {
  if (offer === "directories") return "_taffrail_directories";
  if ("words" in offer) return `_taffrail_offer ${offer.words.map(quoted).join(" ")}`;
  if ("asked" in offer) return `_taffrail_ask ${quoted(offer.asked)}`;
  return ["_taffrail_files", ...offer.endings].join(" ");
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}`).join("\n");
}

function quoted(text: string): string {
  return commandLine([text]);
}
