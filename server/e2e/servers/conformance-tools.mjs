// The tools of the conformance fixture. What asks the client something is
// written once: for clients with sessions the SDK makes requests of it.
import { inputRequired, MissingRequiredClientCapabilityError } from '@modelcontextprotocol/server';
import { audio, image } from './conformance-data.mjs';

const nothing = { type: 'object', properties: {} };
const withText = (name) => ({ type: 'object', properties: { [name]: { type: 'string' } }, required: [name] });
const text = (value) => ({ content: [{ type: 'text', text: value }] });
const pause = () => new Promise((done) => { setTimeout(done, 50); });
const form = (properties, required = Object.keys(properties)) => ({ type: 'object', properties, required });

// ask returns the client's answers to requests, or what makes the SDK get them.
// state is what comes back with them.
function ask(req, requests, state) {
  const answers = req.inputResponses ?? {};
  if (Object.keys(requests).every((id) => answers[id] && typeof answers[id] === 'object')) return { answers };
  return { more: inputRequired({ inputRequests: requests, ...(state && { requestState: `${state}.sealed` }) }) };
}

function asking(description, requests, done, state, inputSchema = nothing) {
  return {
    description,
    inputSchema,
    async call(args, req) {
      const { answers, more } = ask(req, requests(args, req), state);
      return more ?? text(done(answers));
    },
  };
}

const elicit = (message, requestedSchema) => inputRequired.elicit({ message, requestedSchema });
const sample = (prompt, maxTokens = 100) => inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens });
const nameForm = form({ name: { type: 'string' } });
const outcome = ({ action, content }) => `action=${action}, content=${JSON.stringify(content ?? {})}`;

const plain = {
  test_simple_text: { description: 'Returns text', inputSchema: nothing, annotations: { readOnlyHint: true }, call: () => text('This is a simple text response for testing.') },
  test_image_content: { description: 'Returns an image', inputSchema: nothing, call: () => ({ content: [{ type: 'image', data: image, mimeType: 'image/png' }] }) },
  test_audio_content: { description: 'Returns audio', inputSchema: nothing, call: () => ({ content: [{ type: 'audio', data: audio, mimeType: 'audio/wav' }] }) },
  test_embedded_resource: {
    description: 'Returns an embedded resource',
    inputSchema: nothing,
    call: () => ({ content: [{ type: 'resource', resource: { uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'This is an embedded resource content.' } }] }),
  },
  test_multiple_content_types: {
    description: 'Returns text, an image and a resource',
    inputSchema: nothing,
    call: () => ({
      content: [{ type: 'text', text: 'Multiple content types test:' }, { type: 'image', data: image, mimeType: 'image/png' },
        { type: 'resource', resource: { uri: 'test://mixed-content-resource', mimeType: 'application/json', text: '{"test":"data","value":123}' } }],
    }),
  },
  test_error_handling: { description: 'Fails', inputSchema: nothing, call: () => ({ ...text('This tool intentionally returns an error for testing'), isError: true }) },
  test_tool_with_progress: {
    description: 'Tells its progress',
    inputSchema: nothing,
    async call(args, { _meta, notify }) {
      for (const progress of [0, 50, 100]) {
        if (progress) await pause();
        if (_meta?.progressToken !== undefined) {
          await notify({ method: 'notifications/progress', params: { progressToken: _meta.progressToken, progress, total: 100, message: `Completed step ${progress} of 100` } });
        }
      }
      return text(String(_meta?.progressToken));
    },
  },
  test_tool_with_logging: {
    description: 'Writes log messages',
    inputSchema: nothing,
    async call(args, { log }) {
      for (const line of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await log('info', line, 'fixture');
        await pause();
      }
      return text('logged');
    },
  },
  test_logging_tool: { description: 'Writes a log message', inputSchema: nothing, async call(args, { log }) { await log('info', 'a line', 'fixture'); return text('logged'); } },
  test_missing_capability: {
    description: 'Needs sampling',
    inputSchema: nothing,
    call(args, req) {
      const capabilities = req.envelope?.['io.modelcontextprotocol/clientCapabilities'];
      if (req.era === 'modern' && !capabilities?.sampling) throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
      const { more } = ask(req, { s: sample('Say ok') });
      return more ?? text('ok');
    },
  },
  test_trigger_tool_change: { description: 'Changes the list of tools', inputSchema: nothing, call(args, { world }) { world.extras += 1; world.tell({ list: 'tools' }); return text('changed'); } },
  test_trigger_prompt_change: { description: 'Changes the list of prompts', inputSchema: nothing, call(args, { world }) { world.extras += 1; world.tell({ list: 'prompts' }); return text('changed'); } },
  test_touch_resource: { description: 'Changes test://watched-resource', inputSchema: nothing, call(args, { world }) { world.tell({ uri: 'test://watched-resource' }); return text('changed'); } },
  test_slow: {
    description: 'Takes its time, and says when it was cancelled',
    inputSchema: form({ ms: { type: 'integer' } }),
    call: ({ ms }, { signal }) => new Promise((done) => {
      console.error('fixture: slow');
      const timer = setTimeout(() => done(text('done')), ms);
      signal.addEventListener('abort', () => { clearTimeout(timer); console.error('fixture: cancelled'); done(text('cancelled')); });
    }),
  },
  test_crash: { description: 'Ends the process', inputSchema: nothing, call: () => process.exit(7) },
  json_schema_2020_12_tool: {
    description: 'Has a schema with keywords of JSON Schema 2020-12',
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object',
      $defs: { address: { type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } } },
      properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' } }, additionalProperties: false,
    },
    call: () => text('ok'),
  },
  test_x_header: { description: 'Has a parameter that is a header too', inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } }, call: ({ region }) => text(`region=${region}`) },
};

const questions = {
  test_sampling: asking('Asks the client to sample', ({ prompt }) => ({ s: sample(prompt) }), ({ s }) => `LLM response: ${s.content.text}`, '', withText('prompt')),
  test_elicitation: asking('Asks the person', ({ message }) => ({
    e: elicit(message, form({ username: { type: 'string', description: "User's response" }, email: { type: 'string', description: "User's email address" } })),
  }), ({ e }) => `User response: ${outcome(e)}`, '', withText('message')),
  test_streaming_elicitation: asking('Asks the person, in a stream', () => ({ e: elicit('Your name?', nameForm) }), ({ e }) => outcome(e)),
  test_elicitation_sep1034_defaults: asking('Asks with defaults', () => ({
    e: elicit('Provide your information', form({
      name: { type: 'string', default: 'John Doe' }, age: { type: 'integer', default: 30 }, score: { type: 'number', default: 95.5 },
      status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' }, verified: { type: 'boolean', default: true },
    }, [])),
  }), ({ e }) => `Elicitation completed: ${outcome(e)}`),
  test_elicitation_sep1330_enums: asking('Asks with choices', () => ({
    e: elicit('Select options', form({
      untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
      titledSingle: { type: 'string', oneOf: [{ const: 'value1', title: 'First Option' }, { const: 'value2', title: 'Second Option' }, { const: 'value3', title: 'Third Option' }] },
      legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'] },
      untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
      titledMulti: { type: 'array', items: { anyOf: [{ const: 'value1', title: 'First Choice' }, { const: 'value2', title: 'Second Choice' }, { const: 'value3', title: 'Third Choice' }] } },
    }, [])),
  }), ({ e }) => `Elicitation completed: ${outcome(e)}`),
  test_input_required_result_elicitation: asking('Asks for a name', () => ({ user_name: elicit('What is your name?', nameForm) }), ({ user_name: a }) => `Hello, ${a.content?.name}!`),
  test_input_required_result_sampling: asking('Asks for a sample', () => ({ capital_question: sample('What is the capital of France?') }), ({ capital_question: a }) => a.content?.text ?? ''),
  test_input_required_result_list_roots: asking('Asks for roots', () => ({ client_roots: inputRequired.listRoots() }), ({ client_roots: a }) => a.roots.map((r) => r.uri).join(' ')),
  test_input_required_result_request_state: asking('Has a state', () => ({ confirm: elicit('Please confirm', form({ ok: { type: 'boolean' } })) }), () => 'state-ok', 'state'),
  test_input_required_result_tampered_state: asking('Has a state that is sealed', () => ({ confirm: elicit('Please confirm', form({ ok: { type: 'boolean' } })) }), () => 'state-ok', 'state'),
  test_input_required_result_multiple_inputs: asking('Asks three things', () => ({
    user_name: elicit('What is your name?', nameForm), greeting: sample('Generate a greeting', 50), client_roots: inputRequired.listRoots(),
  }), (a) => `${a.user_name.content?.name}: ${a.greeting.content?.text}, ${a.client_roots.roots.length} roots`, 'state'),
  test_input_required_result_capabilities: asking('Asks what the client can answer', (args, req) => {
    const capabilities = req.envelope?.['io.modelcontextprotocol/clientCapabilities'] ?? req.server.getClientCapabilities() ?? {};
    return { ...(capabilities.sampling && { s: sample('Say ok') }), ...(capabilities.elicitation && { e: elicit('Your name?', nameForm) }) };
  }, () => 'ok'),
  test_input_required_result_multi_round: {
    description: 'Asks twice',
    inputSchema: nothing,
    call(args, req) {
      const second = req.requestState?.() === 'round-2.sealed';
      if (!second && !req.inputResponses?.step1) return ask(req, { step1: elicit('Step 1: What is your name?', nameForm) }, 'round-1').more;
      const { more } = ask(req, { step2: elicit('Step 2: What is your favorite color?', form({ color: { type: 'string' } })) }, 'round-2');
      return more ?? text('done');
    },
  },
};

export const tools = { ...plain, ...questions };
